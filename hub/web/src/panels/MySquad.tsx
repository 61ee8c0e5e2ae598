/** On the phone of a team leader: the own team first, each with what decides whether they stay in, and one press to call them. */
import { useSignal } from '@preact/signals'
import { clock, pulse, roster, store, type Unit } from '../app/core'
import { me } from '../app/session'
import { showUnit } from '../app/show'
import { giveWords } from '../command/command'
import { ABSENT } from '../feed/messages'
import { t } from '../i18n'
import { ageS } from '../laws/contact'
import { compareUnits } from '../laws/order'
import { ageText, clockText } from '../laws/words'
import { Trouble, useAct } from './acts'
import { StateSign, UnitSign } from './signs'

export const isLeader = (): boolean => me.value?.role === 'team-leader' && me.value.team !== ''

export function MySquad() {
  void pulse.value
  const { busy, trouble, run } = useAct()
  if (!isLeader()) return null
  const { team } = me.value!
  const mine = roster.value.filter((unit) => !unit.reported && unit.team === team).sort(compareUnits)
  const call = (target: string) => (): void => void run(() => giveWords('roll_call', target, t('roll_call_at', { t: clockText(clock.now()).slice(0, 5) })))
  return (
    <section class="squad" data-testid="squad" aria-label={t('squad')}>
      <header><h2>{t('squad')} · {team}</h2><button class="main" data-testid="squad-roll" disabled={busy.value || mine.length === 0} onClick={call(`team:${team}`)}>{t('squad_roll')}</button></header>
      <Trouble words={trouble} />
      {mine.length === 0 ? <p class="hint">{t('squad_none')}</p> : mine.map((unit) => <Member key={unit.id} unit={unit} busy={busy.value} call={call(unit.id)} />)}
    </section>
  )
}

function Member({ unit, busy, call }: { unit: Unit; busy: boolean; call: () => void }) {
  const called = useSignal(false)
  const meta = store.meta(unit.slot)
  if (!meta) return null
  const { t_fix, bat, air } = store.col
  const said = [
    ...(air[unit.slot] !== ABSENT.u16 ? [t('air_n', { n: (air[unit.slot]! / 1000).toFixed(1) })] : []),
    ...(bat[unit.slot] !== ABSENT.u8 ? [t('battery_n', { n: bat[unit.slot]! })] : []),
  ]
  return (
    <div class={`member row-${unit.state}`} data-testid="squad-member" data-unit-id={unit.id} data-state={unit.state}>
      <button class="who-is" onClick={() => showUnit(unit.id)}>
        <UnitSign kind={meta.kind} branch={meta.branch} contact={unit.contact} />
        <strong>{unit.callsign}</strong>
        <span><StateSign state={unit.state} /> {t(unit.state === 'sos' ? 'sos_short' : unit.state)}{said.map((one) => ` · ${one}`)}</span>
        <b class="age">{ageText(ageS(clock.now(), t_fix[unit.slot]!))}</b>
      </button>
      <button disabled={busy} aria-label={t('squad_call', { name: unit.callsign })} onClick={() => { called.value = true; call() }}>{t(called.value ? 'squad_called' : 'order_roll_call')}</button>
    </div>
  )
}
