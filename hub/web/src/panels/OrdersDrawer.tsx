/**
 * The drawer of orders: to whom, which words, which order; below it what became of those given, and what wearers wrote.
 *
 * What a commander signs asks twice in its own button and opens nothing: alarms above stay in sight and in reach.
 */
import { useSignal, signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { clock, orders, pulse, store, texts } from '../app/core'
import { openPane, pane } from '../app/pane'
import { may } from '../app/session'
import { showUnit } from '../app/show'
import { aim, choose, chosen, count, onlyTeam, scope, target, teams } from '../app/targets'
import { giveSigned, giveWords, propose, standing } from '../command/command'
import type { OrderMessage, TextMessage } from '../feed/messages'
import { tally } from '../feed/orders'
import { t } from '../i18n'
import { clockText } from '../laws/words'
import { Trouble, Twice, useAct } from './acts'
import { openOrder, OrderCard } from './OrderCard'

const SHOWN_MAX = 40
const TEXT_MAX = 500
/** An order that is older than this is not news for the bar. */
const NEWS_MS = 2 * 3_600_000
/** Texts up to here were seen in this tab. */
const readT = signal(0)

const unread = (): number => (pane.value === 'orders' ? 0 : texts.value.filter(({ t_hub }) => t_hub > readT.value).length)

/** The latest order that somebody does not have yet; one to leave before any other. */
function underWay(): OrderMessage | undefined {
  const now = clock.now()
  const open = orders.value.filter((order) => {
    if (order.type === 'text' || order.type === 'config' || now - order.t > NEWS_MS) return false
    const { reached, of, lifted } = tally(order, now)
    return reached < of - lifted
  })
  return open.find(({ type }) => type === 'evacuate' || type === 'retreat') ?? open[0]
}

const mayGive = (): boolean => may('dispatch') || may('order') || may('acknowledge')

/** In the bar: the order that is still under way, with how many have it. */
export function OrdersChip() {
  void pulse.value
  if (!mayGive() && orders.value.length === 0) return null
  const order = underWay()
  const news = unread()
  const sum = order && tally(order, clock.now())
  return (
    <button class={`key-chip orders-chip ${order ? 'under-way' : ''}`} data-testid="orders-chip" aria-expanded={pane.value === 'orders'} title={t('orders_key')}
      onClick={() => (pane.value === 'orders' ? (pane.value = null) : openPane('orders'))}>
      {order && sum ? <>{t(`order_${order.type}`)} <b>{sum.reached}/{sum.of}</b></> : t('orders')}
      {news > 0 && <b class="news" data-testid="texts-new">{t('texts_new', { n: news })}</b>}
    </button>
  )
}

export function OrdersDrawer() {
  useEffect(() => () => void (readT.value = clock.now()), [])
  return (
    <aside class="detail orders" data-testid="orders" aria-label={t('orders')}>
      <div class="title">
        <h2>{t('orders')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      {mayGive() && <Give />}
      <Given />
    </aside>
  )
}

function Give() {
  const words = useSignal('')
  const { busy, trouble, run } = useAct()
  const said = words.value.trim()
  const nobody = target.value === '' || count.value === 0
  const sure = t('sure_n', { n: count.value })
  const given = (make: () => Promise<number>) => (): void => void run(async () => {
    openOrder.value = await make()
    words.value = ''
  })
  return (
    <section class="give">
      <Whom />
      <textarea class="order-words" data-testid="order-words" rows={2} maxlength={TEXT_MAX} placeholder={t('order_words')} aria-label={t('order_words')}
        value={words.value} onInput={(event) => (words.value = event.currentTarget.value)} />
      {(may('order') || may('all-clear')) && (standing.value === 'ready' ? (
        <div class="three">
          {may('order') && <Twice class="grave" data-testid="order-evacuate" disabled={busy.value || nobody} ask={sure} onSure={given(() => giveSigned('evacuate', target.value, said))}>{t('order_evacuate')}</Twice>}
          {may('order') && <Twice class="grave" data-testid="order-retreat" disabled={busy.value || nobody} ask={sure} onSure={given(() => giveSigned('retreat', target.value, said))}>{t('order_retreat')}</Twice>}
          {may('all-clear') && <Twice data-testid="order-all-clear" disabled={busy.value || nobody} ask={sure} onSure={() => void run(() => propose(target.value, null))}>{t('order_all_clear')}</Twice>}
        </div>
      ) : <button class="main" data-testid="order-needs-key" onClick={() => openPane('command')}>{t('order_needs_key')} ›</button>)}
      <div class="three">
        <button data-testid="order-text" disabled={busy.value || nobody || said === ''} onClick={given(() => giveWords('text', target.value, said))}>{t('order_text')}</button>
        <button data-testid="order-roll-call" disabled={busy.value || nobody} onClick={given(() => giveWords('roll_call', target.value, said || t('roll_call_at', { t: clockText(clock.now()).slice(0, 5) })))}>{t('order_roll_call')}</button>
        {may('dispatch') && <button data-testid="order-task" disabled={busy.value || nobody || said === ''} onClick={given(() => giveWords('task', target.value, said))}>{t('order_task')}</button>}
      </div>
      <Trouble words={trouble} />
    </section>
  )
}

function Whom() {
  const now = scope.value
  const value = now.of === 'team' ? `team:${now.team}` : now.of
  useEffect(() => {
    // A leader's "everybody" is the own team.
    if (onlyTeam.value !== null && scope.peek().of === 'all') aim({ of: 'team', team: onlyTeam.value })
  }, [onlyTeam.value])
  return (
    <div class="whom">
      <select data-testid="order-target" aria-label={t('order_target')} value={value} onChange={(event) => {
        const next = event.currentTarget.value
        aim(next === 'all' || next === 'units' ? { of: next } : { of: 'team', team: next.slice('team:'.length) })
      }}>
        {onlyTeam.value === null && <option value="all">{t('target_all')}</option>}
        {teams.value.map((team) => <option key={team} value={`team:${team}`}>{t('target_team', { team })}</option>)}
        <option value="units">{t('target_units')}</option>
      </select>
      <b class="count" data-testid="order-count">{count.value}</b>
      {now.of === 'units' && (
        <p class="chosen">
          {chosen.value.map((id) => {
            const slot = store.slotOf(id)
            return <button key={id} class="chip" onClick={() => choose(id)}>{slot === undefined ? id : store.meta(slot)?.callsign} ✕</button>
          })}
          <span class="hint">{t('target_units_how')}</span>
        </p>
      )}
    </div>
  )
}

type Line = { at: number; order: OrderMessage } | { at: number; text: TextMessage }

/** Orders and texts as they came, the newest first. */
function Given() {
  const lines: Line[] = [
    ...orders.value.map((order) => ({ at: order.t, order })),
    ...texts.value.map((text) => ({ at: text.t_hub, text })),
  ].sort((a, b) => b.at - a.at).slice(0, SHOWN_MAX)
  if (lines.length === 0) return <p class="hint none">{t('orders_none')}</p>
  const first = orders.value[0]?.seq
  return (
    <div class="given">
      {lines.map((line) => 'order' in line
        ? <OrderCard key={line.order.seq} order={line.order} open={(openOrder.value ?? first) === line.order.seq} />
        : <TextUp key={line.text.id} text={line.text} />)}
    </div>
  )
}

function TextUp({ text }: { text: TextMessage }) {
  return (
    <button class="text-up" data-testid="text-up" onClick={() => showUnit(text.unit)}>
      <span class="when">{store.meta(text.slot)?.callsign} · {clockText(text.t)}</span>
      <span class="text" dir="auto">{text.text}</span>
    </button>
  )
}
