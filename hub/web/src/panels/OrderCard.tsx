/** One order: what it says, how many have it, and by name who does not. */
import { signal } from '@preact/signals'
import { clock, pulse, store } from '../app/core'
import { showUnit } from '../app/show'
import { RECEIPTS, type OrderMessage, type OrderTarget, type Receipt } from '../feed/messages'
import { byNeed, isReached, since, stateNow, tally } from '../feed/orders'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageText, clockText } from '../laws/words'

const ROWS_MAX = 80
/** Of these receipts a person wants the sum, by type of order. */
const SUMS: Record<string, readonly Receipt[]> = {
  task: ['accepted', 'refused', 'done'], text: ['shown'], roll_call: ['received'], config: ['accepted', 'refused'],
}
const PLAIN_SUMS: readonly Receipt[] = ['shown', 'accepted', 'refused', 'done']

/** The order whose rows are shown; null: the newest. 0: none. */
export const openOrder = signal<number | null>(null)

const nameOf = (unit: string): string => {
  const slot = store.slotOf(unit)
  return (slot === undefined ? undefined : store.meta(slot)?.callsign) ?? unit
}

/** Why settings were refused, as protocols/orders.py numbers it. */
function whyWords(why: number): string {
  const key = `refused_why_${why}`
  return key in zh ? t(key as Key) : t('refused_why', { n: why })
}

export function targetWords(target: string): string {
  if (target === 'all') return t('target_all')
  if (target.startsWith('team:')) return t('target_team', { team: target.slice('team:'.length) })
  const units = target.replace(/^units:/, '').split(',')
  return units.length > 3 ? t('units_n', { n: units.length }) : units.map(nameOf).join('、')
}

export function OrderCard({ order, open }: { order: OrderMessage; open: boolean }) {
  void pulse.value
  const now = clock.now()
  const sum = tally(order, now)
  const missing = sum.of - sum.reached - sum.lifted
  const grave = order.type === 'evacuate' || order.type === 'retreat'
  const sums = (SUMS[order.type] ?? PLAIN_SUMS).filter((name) => sum.said[name])
  return (
    <article class={`order order-${order.type} ${grave ? 'is-grave' : ''} ${missing > 0 ? 'is-missing' : 'is-whole'}`} data-testid="order-card" data-type={order.type} data-seq={order.seq}>
      <button class="order-head" aria-expanded={open} onClick={() => (openOrder.value = open ? 0 : order.seq)}>
        <strong>{t(`order_${order.type}`)}</strong>
        <span class="to">{targetWords(order.target)}</span>
        <span class="when">{order.by.join('、')} · {clockText(order.t)}</span>
        <b class="tally" data-testid="order-tally">{sum.reached}<small>/{sum.of}</small></b>
        {order.text && <span class="text" dir="auto">{order.text}</span>}
        <span class="sums">
          {missing > 0 && <em>{t(order.type === 'roll_call' ? 'missing_answer' : 'missing', { n: missing })}</em>}
          {sum.lifted > 0 && <span>{t('state_lifted')} {sum.lifted}</span>}
          {sums.map((name) => <span key={name}>{t(`state_${name}`)} {sum.said[name]}</span>)}
        </span>
      </button>
      {open && <Rows order={order} now={now} />}
    </article>
  )
}

function Rows({ order, now }: { order: OrderMessage; now: number }) {
  const sorted = byNeed(order, now, nameOf)
  return (
    <table class="order-rows" data-testid="order-rows">
      <tbody>
        {sorted.slice(0, ROWS_MAX).map((target) => <Row key={target.unit} order={order} target={target} now={now} />)}
        {sorted.length > ROWS_MAX && <tr><td colSpan={3} class="hint">{t('alarm_more', { n: sorted.length - ROWS_MAX })}</td></tr>}
      </tbody>
    </table>
  )
}

function Row({ order, target, now }: { order: OrderMessage; target: OrderTarget; now: number }) {
  const state = stateNow(order, target, now)
  const has = isReached(order, target, now)
  const reached = RECEIPTS.filter((name) => target[name])
  return (
    <tr class={`${has ? 'has' : 'misses'} state-${state}`} data-testid="order-row" data-state={state} data-unit-id={target.unit}>
      <th scope="row"><button onClick={() => showUnit(target.unit)}>{nameOf(target.unit)}</button></th>
      <td>
        <Steps target={target} />
        {t(`state_${state}` as Key)}
        {state === 'refused' && target.why ? <small> · {whyWords(target.why)}</small> : null}
        {reached.length > 1 && state === 'refused' && target.accepted && <small> · {t('state_accepted')}</small>}
      </td>
      <td class="age" title={clockText(since(order, target))}>{ageText((now - since(order, target)) / 1000)}</td>
    </tr>
  )
}

/** How far it came, as a shape: empty, delivered, shown, answered by the wearer. */
function Steps({ target }: { target: OrderTarget }) {
  const answered = Boolean(target.accepted || target.answered || target.done)
  const far = target.refused && !target.done ? -1 : answered ? 3 : target.shown ? 2 : target.received ? 1 : 0
  return (
    <svg class="steps" viewBox="0 0 36 12" width="36" height="12" aria-hidden="true">
      {far < 0 ? <path d="M2 2l8 8M10 2l-8 8" class="line" /> : [0, 1, 2].map((i) => <rect key={i} x={1 + 12 * i} y="2" width="9" height="8" rx="1" class={i < far ? 'solid' : 'line'} />)}
    </svg>
  )
}
