/** Evacuate one, a team or all, and chase the last two: who has NOT acknowledged stands first and largest. */
import { useSignal } from '@preact/signals'
import { air, evacuations } from '../app/safety'
import { openPane } from '../app/pane'
import { may, me } from '../app/session'
import { onlyTeam, ours, teams } from '../app/targets'
import { toldByVoice } from '../api/safety'
import { giveSigned, standing } from '../command/command'
import type { EvacuationMessage, EvacuationPerson } from '../feed/safety'
import { t } from '../i18n'
import { orderTarget } from '../laws/people'
import { clockText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { chaseClass, Count, Missing, nameOf, targetText } from './people'

export function Evacuations() {
  return (
    <div class="board">
      {may('order') && <Give />}
      {evacuations.value.length === 0 ? <p class="hint none">{t('evacuation_none')}</p> : evacuations.value.map((one) => <Evacuation key={one.id} one={one} />)}
    </div>
  )
}

/** How many devices a target of this list reaches. */
function countOf(target: string): number {
  if (target === 'all') return ours.value.length
  if (target.startsWith('team:')) return ours.value.filter(({ team }) => target === `team:${team}`).length
  return target.split(',').length
}

function Give() {
  const to = useSignal(onlyTeam.value === null ? 'all' : `team:${onlyTeam.value}`)
  const { busy, trouble, run } = useAct()
  const entered = (air.value ?? []).map(orderTarget).filter((target) => target !== '')
  if (standing.value !== 'ready') return <button class="main" data-testid="evacuate-needs-key" onClick={() => openPane('command')}>{t('order_needs_key')} ›</button>
  return (
    <div class="quick">
      <select data-testid="evacuate-target" aria-label={t('order_target')} class="wide-field" value={to.value} onChange={(event) => (to.value = event.currentTarget.value)}>
        {onlyTeam.value === null && <option value="all">{t('target_all')}</option>}
        {entered.map((target) => <option key={target} value={target}>{targetText(target)}</option>)}
        {teams.value.map((team) => <option key={team} value={`team:${team}`}>{t('target_team', { team })}</option>)}
      </select>
      <Twice class="grave" data-testid="evacuate" disabled={busy.value} ask={t('sure_n', { n: countOf(to.value) })} onSure={() => void run(() => giveSigned('evacuate', to.value, ''))}>{t('evacuate_now')}</Twice>
      <button onClick={() => openPane('orders')}>{t('evacuate_more')} ›</button>
      <Trouble words={trouble} />
    </div>
  )
}

function stepOf(person: EvacuationPerson): string {
  if (person.unit === null) return t('step_by_voice')
  if (person.refused !== null) return t('step_refused')
  if (person.seen !== null) return t('step_seen')
  return t(person.delivered !== null ? 'step_delivered' : 'step_nothing')
}

function Evacuation({ one }: { one: EvacuationMessage }) {
  const not = new Set(one.not)
  const missing = one.people.filter(({ key }) => not.has(key))
  const has = one.people.filter(({ key }) => !not.has(key))
  const at = (time: number | null): string => (time === null ? '—' : clockText(time))
  return (
    <article class={`roll ${one.over ? 'over' : ''}`} data-testid="evacuation" data-over={one.over}>
      <header>
        <h3>{one.type === 'retreat' && `${t('order_kind_retreat')} · `}{t('evacuation_at', { t: clockText(one.t ?? NaN) })} · {targetText(one.target)}</h3>
        <span class="says">{one.by}{one.text && ` · ${one.text}`}{one.over && ` · ${t('lifted')}`}</span>
      </header>
      {!one.over && <Count n={one.not.length} words={t('has_not')} none={t('not_out_none')} testid="evacuation-not" />}
      {missing.length > 0 && <ul class={chaseClass(missing.length)}>{missing.map((person) => <NotYet key={person.key} one={one} person={person} />)}</ul>}
      <details class="answered">
        <summary>{t('answered_of', { n: one.total - one.not.length, of: one.total })}</summary>
        <table class="members">
          <thead><tr><th /><th>{t('state_received')}</th><th>{t('state_shown')}</th><th>{t('state_accepted')}</th></tr></thead>
          <tbody>{has.map((person) => (
            <tr key={person.key} class="has">
              <th scope="row">{nameOf(person)}{person.by && <small> · {person.by}</small>}</th>
              <td>{at(person.delivered)}</td><td>{at(person.seen)}</td><td>{person.acknowledged === null && person.lifted ? t('lifted') : at(person.acknowledged)}</td>
            </tr>
          ))}</tbody>
        </table>
      </details>
      {!one.over && may('all-clear') && <button onClick={() => openPane('orders')}>{t('all_clear_by_order')} ›</button>}
    </article>
  )
}

function NotYet({ one, person }: { one: EvacuationMessage; person: EvacuationPerson }) {
  const { busy, trouble, run } = useAct()
  return (
    <Missing person={person} step={stepOf(person)} grave={person.refused !== null} data-testid="evacuation-missing">
      {may('roll-call') && <button class="main" data-testid="evacuation-told" title={t('told_why', { name: me.value?.name ?? '' })} disabled={busy.value} onClick={() => void run(() => toldByVoice(one.id, [person.key]))}>{t('told_do')}</button>}
      <Trouble words={trouble} />
    </Missing>
  )
}
