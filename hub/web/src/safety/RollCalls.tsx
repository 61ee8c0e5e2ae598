/** Who has answered, and first of all who has not. A device that sends is not a person who answers: it is never counted. */
import { useSignal } from '@preact/signals'
import { clock, pulse } from '../app/core'
import { rolls, zones } from '../app/safety'
import { may, me } from '../app/session'
import { onlyTeam, teams } from '../app/targets'
import { confirmByVoice, endRoll, startRoll } from '../api/safety'
import { ROLL_STATES, type RollMessage, type RollPerson, type RollState } from '../feed/safety'
import { t } from '../i18n'
import { ageText, clockText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { nameOfMember } from './AirBoard'

const COUNTED: readonly RollState[] = ['confirmed', 'voice', 'unconfirmed', 'stale', 'refused']

export function RollCalls() {
  return (
    <div class="board rolls">
      {may('roll-call') && <Start />}
      {rolls.value.length === 0 ? <p class="hint none">{t('roll_none')}</p> : rolls.value.map((roll) => <Roll key={roll.id} roll={roll} />)}
    </div>
  )
}

function Start() {
  const target = useSignal(onlyTeam.value === null ? 'all' : `team:${onlyTeam.value}`)
  const { busy, trouble, run } = useAct()
  return (
    <div class="quick">
      <select data-testid="roll-target" aria-label={t('order_target')} class="wide-field" value={target.value} onChange={(event) => (target.value = event.currentTarget.value)}>
        {onlyTeam.value === null && <option value="all">{t('target_all')}</option>}
        {teams.value.map((team) => <option key={team} value={`team:${team}`}>{t('target_team', { team })}</option>)}
        {zones.value.map(({ id, name }) => <option key={id} value={`zone:${id}`}>{t('target_zone', { name: name || id })}</option>)}
      </select>
      <button class="main" data-testid="roll-start" disabled={busy.value} onClick={() => void run(() => startRoll(target.value))}>{t('roll_start')}</button>
      <Trouble words={trouble} />
    </div>
  )
}

function Roll({ roll }: { roll: RollMessage }) {
  const { busy, trouble, run } = useAct()
  const over = roll.ended !== null
  const people = [...roll.people].sort((a, b) => ROLL_STATES.indexOf(a.state) - ROLL_STATES.indexOf(b.state) || nameOfMember(a).localeCompare(nameOfMember(b), 'zh', { numeric: true }))
  return (
    <article class={`roll ${over ? 'over' : ''}`} data-testid="roll" data-roll={roll.id} data-ended={over}>
      <header><h3>{t('roll_at', { t: clockText(roll.t ?? NaN) })} {roll.by}</h3>{over && <span class="says">{t('roll_over', { t: clockText(roll.ended!) })}</span>}</header>
      <div class="tallies">
        {COUNTED.map((name) => <span key={name} class={`tally-${name} ${roll.counts[name] > 0 ? 'on' : ''}`} data-testid={`roll-${name}`}><b>{roll.counts[name]}</b>{t(`roll_state_${name}`)}</span>)}
      </div>
      <table class="members"><tbody>{people.map((person) => <Person key={person.key} roll={roll} person={person} over={over} />)}</tbody></table>
      {!over && may('roll-call') && <Twice data-testid="roll-end" disabled={busy.value} onSure={() => void run(() => endRoll(roll.id))}>{t('roll_end')}</Twice>}
      <Trouble words={trouble} />
    </article>
  )
}

function Person({ roll, person, over }: { roll: RollMessage; person: RollPerson; over: boolean }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const waits = person.state !== 'confirmed' && person.state !== 'voice'
  return (
    <tr class={`roll-${person.state} ${waits ? 'misses' : 'has'}`} data-testid="roll-person" data-state={person.state}>
      <th scope="row">{nameOfMember(person)}</th>
      <td>{t(`roll_state_${person.state}`)}{person.by && <small> · {person.by}</small>}</td>
      <td class="age">{person.t === null ? '' : ageText((clock.now() - person.t) / 1000)}</td>
      <td>
        {waits && !over && may('roll-call') && <button data-testid="roll-voice" title={t('voice_why', { name: me.value?.name ?? '' })} disabled={busy.value} onClick={() => void run(() => confirmByVoice(roll.id, person.key))}>{t('voice_do')}</button>}
        <Trouble words={trouble} />
      </td>
    </tr>
  )
}
