/** Who has answered, and first of all who has not. A device that sends is not a person who answers: it is never counted. */
import { useSignal } from '@preact/signals'
import { clock, pulse } from '../app/core'
import { air, rolls, zones } from '../app/safety'
import { may, me } from '../app/session'
import { onlyTeam, teams } from '../app/targets'
import { confirmByVoice, endRoll, startRoll } from '../api/safety'
import { ROLL_STATES, type RollMessage, type RollPerson, type RollState } from '../feed/safety'
import { lang, t } from '../i18n'
import { missingOf } from '../laws/people'
import { ageText, clockText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { chaseClass, Count, Missing, nameOf, targetText } from './people'

const COUNTED: readonly RollState[] = ['confirmed', 'voice', 'unconfirmed', 'stale', 'refused']
const isMissing = ({ state }: RollPerson): boolean => state !== 'confirmed' && state !== 'voice'

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
        {air.value?.map(({ id }) => <option key={id} value={`entry:${id}`}>{targetText(`entry:${id}`)}</option>)}
        {teams.value.map((team) => <option key={team} value={`team:${team}`}>{t('target_team', { team })}</option>)}
        {zones.value.map(({ id }) => <option key={id} value={`zone:${id}`}>{targetText(`zone:${id}`)}</option>)}
      </select>
      <button class="main" data-testid="roll-start" disabled={busy.value} onClick={() => void run(() => startRoll(target.value))}>{t('roll_start')}</button>
      <Trouble words={trouble} />
    </div>
  )
}

function Roll({ roll }: { roll: RollMessage }) {
  const { busy, trouble, run } = useAct()
  const over = roll.ended !== null
  const acts = !over && may('roll-call')
  const people = [...roll.people].sort((a, b) => ROLL_STATES.indexOf(a.state) - ROLL_STATES.indexOf(b.state) || nameOf(a).localeCompare(nameOf(b), 'zh', { numeric: true }))
  const missing = people.filter(isMissing)
  const has = people.filter((person) => !isMissing(person))
  const squad = /^(entry|team):/.test(roll.target)
  const why = roll.name || (lang.value === 'zh' ? roll.reason_zh : roll.reason_en)
  return (
    <article class={`roll ${over ? 'over' : ''}`} data-testid="roll" data-roll={roll.id} data-ended={over}>
      <header>
        <h3>{t('roll_at', { t: clockText(roll.t ?? NaN) })} · {targetText(roll.target)}</h3>
        <span class="says">{roll.by}{why && ` · ${why}`}{over && ` · ${t(roll.replaced ? 'roll_replaced' : 'roll_over', { t: clockText(roll.ended!) })}`}</span>
      </header>
      <Count n={missingOf(roll)} words={t('missing_n')} none={t('missing_none')} testid="roll-missing" />
      <div class="tallies small">
        {COUNTED.map((name) => <span key={name} class={`tally-${name} ${roll.counts[name] > 0 ? 'on' : ''}`} data-testid={`roll-${name}`}><b>{roll.counts[name]}</b>{t(`roll_state_${name}`)}</span>)}
      </div>
      {missing.length > 0 && <ul class={chaseClass(missing.length)}>{missing.map((person) => <NotYet key={person.key} roll={roll} person={person} acts={acts} />)}</ul>}
      {acts && squad && missing.length > 1 && <Twice data-testid="roll-voice-rest" disabled={busy.value} onSure={() => void run(() => confirmByVoice(roll.id, missing.map(({ key }) => key)))}>{t('voice_rest', { n: missing.length })}</Twice>}
      {has.length > 0 && (
        <details class="answered">
          <summary>{t('answered_n', { n: roll.counts.confirmed + roll.counts.voice })}</summary>
          <table class="members"><tbody>{has.map((person) => (
            <tr key={person.key} class="has" data-testid="roll-person" data-state={person.state}>
              <th scope="row">{nameOf(person)}</th><td>{t(`roll_state_${person.state}`)}{person.by && ` · ${person.by}`}</td><td class="age">{clockText(person.t ?? NaN)}</td>
            </tr>
          ))}</tbody></table>
        </details>
      )}
      {acts && <Twice data-testid="roll-end" disabled={busy.value} onSure={() => void run(() => endRoll(roll.id))}>{t('roll_end')}</Twice>}
      <Trouble words={trouble} />
    </article>
  )
}

function NotYet({ roll, person, acts }: { roll: RollMessage; person: RollPerson; acts: boolean }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const age = person.t === null ? '' : ` · ${ageText((clock.now() - person.t) / 1000)}`
  const step = person.unit ? t(`roll_state_${person.state}`) + age : `${t('roll_state_unconfirmed')} · ${t('by_hand')}`
  return (
    <Missing person={person} step={step} grave={person.state === 'refused'} data-testid="roll-person" data-state={person.state}>
      {acts && <button class="main" data-testid="roll-heard" title={t('voice_why', { name: me.value?.name ?? '' })} disabled={busy.value} onClick={() => void run(() => confirmByVoice(roll.id, [person.key]))}>{t('voice_do')}</button>}
      <Trouble words={trouble} />
    </Missing>
  )
}
