/** In the drawer of a unit: what was said to it and what its wearer wrote, and one line to write more. */
import { useSignal } from '@preact/signals'
import { clock, orders, pulse, store, texts } from '../app/core'
import { openPane } from '../app/pane'
import { may, maySee } from '../app/session'
import { aimAt } from '../app/targets'
import { giveWords } from '../command/command'
import { stateNow } from '../feed/orders'
import { t, type Key } from '../i18n'
import { clockText } from '../laws/words'
import { Trouble, useAct } from './acts'

const SHOWN_MAX = 12

interface Line { at: number; who: string; words: string; state: string; up: boolean; id: string }

function linesOf(unit: string, callsign: string): Line[] {
  const now = clock.now()
  const down = orders.value.flatMap((order): Line[] => {
    const mine = order.targets.find((one) => one.unit === unit)
    if (!mine || order.type === 'config') return []
    const words = order.type === 'text' ? order.text : `${t(`order_${order.type}`)}${order.text ? `：${order.text}` : ''}`
    return [{ at: order.t, who: order.issuer, words, state: t(`state_${stateNow(order, mine, now)}` as Key), up: false, id: `o${order.seq}` }]
  })
  const up = texts.value.filter((text) => text.unit === unit)
    .map((text): Line => ({ at: text.t, who: callsign, words: text.text, state: '', up: true, id: text.id }))
  return [...down, ...up].sort((a, b) => a.at - b.at).slice(-SHOWN_MAX)
}

export function UnitTalk({ slot }: { slot: number }) {
  void pulse.value
  const words = useSignal('')
  const { busy, trouble, run } = useAct()
  const { id, callsign, team, reported } = store.meta(slot)!
  if (reported) return null
  const lines = linesOf(id, callsign)
  const writes = may('dispatch') || may('order') || maySee(team)
  if (lines.length === 0 && !writes) return null
  const send = (event: Event): void => {
    event.preventDefault()
    const said = words.value.trim()
    if (said === '') return
    void run(async () => {
      await giveWords('text', id, said)
      words.value = ''
    })
  }
  return (
    <section class="talk" data-testid="unit-talk">
      <h3 class="talk-head">
        {t('talk')}
        {writes && <button data-testid="unit-order" onClick={() => { aimAt(id); openPane('orders') }}>{t('orders')} ›</button>}
      </h3>
      {lines.map((line) => (
        <p key={line.id} class={line.up ? 'up' : 'down'}>
          <span class="when">{line.who} · {clockText(line.at)}{line.state && ` · ${line.state}`}</span>
          <span class="text" dir="auto">{line.words}</span>
        </p>
      ))}
      {writes && (
        <form class="say" onSubmit={send}>
          <input data-testid="talk-words" maxlength={500} placeholder={t('talk_to', { name: callsign })} aria-label={t('talk_to', { name: callsign })} value={words.value} onInput={(event) => (words.value = event.currentTarget.value)} />
          <button class="main" data-testid="talk-send" disabled={busy.value || words.value.trim() === ''}>{t('send')}</button>
        </form>
      )}
      <Trouble words={trouble} />
    </section>
  )
}
