/** An evacuation: who has NOT acknowledged, first; delivered, seen and acknowledged of each. */
import { evacuations } from '../app/safety'
import { openPane } from '../app/pane'
import type { EvacuationMessage, EvacuationPerson } from '../feed/safety'
import { t } from '../i18n'
import { clockText } from '../laws/words'
import { nameOfMember } from './AirBoard'

export function Evacuations() {
  return (
    <div class="board">
      <button class="main" onClick={() => openPane('orders')}>{t('evacuate_by_order')} ›</button>
      {evacuations.value.length === 0 ? <p class="hint none">{t('evacuation_none')}</p> : evacuations.value.map((one) => <Evacuation key={one.id} one={one} />)}
    </div>
  )
}

function Evacuation({ one }: { one: EvacuationMessage }) {
  const waits = (person: EvacuationPerson): boolean => person.acknowledged === null
  const people = [...one.people].sort((a, b) => Number(waits(b)) - Number(waits(a)) || Number(a.seen !== null) - Number(b.seen !== null) || Number(a.delivered !== null) - Number(b.delivered !== null))
  const step = (at: number | null): string => (at === null ? '—' : clockText(at))
  return (
    <article class="roll" data-testid="evacuation" data-over={one.over}>
      <header><h3>{t('evacuation_at', { t: clockText(one.t ?? NaN) })} {one.by}</h3>{one.over && <span class="says">{t('event_over')}</span>}</header>
      <div class="tallies"><span class={`tally-unconfirmed ${one.not.length > 0 ? 'on' : ''}`}><b data-testid="evacuation-not">{one.not.length}</b>{t('has_not')}</span><span><b>{one.people.length - one.not.length}</b>{t('has')}</span></div>
      <table class="members">
        <thead><tr><th /><th>{t('state_received')}</th><th>{t('state_shown')}</th><th>{t('state_accepted')}</th></tr></thead>
        <tbody>{people.map((person) => (
          <tr key={person.unit ?? person.person} class={waits(person) ? 'misses' : 'has'}>
            <th scope="row">{nameOfMember(person)}</th><td>{step(person.delivered)}</td><td>{step(person.seen)}</td><td>{step(person.acknowledged)}</td>
          </tr>
        ))}</tbody>
      </table>
    </article>
  )
}
