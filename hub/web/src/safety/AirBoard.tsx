/** Air of each team inside: the lowest member, when to turn back, and whether the retreat rule says now, and why. */
import { clock, pulse } from '../app/core'
import { air } from '../app/safety'
import { may } from '../app/session'
import { addMember, addTeam, endTeam, readPressure } from '../api/safety'
import type { AirMember, AirTeam } from '../feed/safety'
import { lang, t } from '../i18n'
import { ageText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { nameOfUnit } from '../panels/alarmWords'
import { minutesText } from '../panels/measures'
import { QuickForm } from './QuickForm'

const BAR_MAX = 400

export const nameOfMember = ({ name, unit }: { name: string; unit: string | null }): string => name || (unit ? nameOfUnit(unit) : '—')

export function AirBoard() {
  const { trouble, run } = useAct()
  const teams = air.value
  return (
    <div class="board air">
      {may('entry') && <QuickForm fields={[{ name: 'team_name', wide: true }]} button="team_add" testid="team-add" act={({ team_name }) => run(() => addTeam(team_name!))} />}
      <Trouble words={trouble} />
      {!teams || teams.length === 0 ? <p class="hint none">{t('air_none')}</p> : teams.map((team) => <Team key={team.id} team={team} />)}
    </div>
  )
}

function Team({ team }: { team: AirTeam }) {
  const { busy, trouble, run } = useAct()
  const lowest = team.members.find(({ unit, person, name }) => team.lowest !== null && [unit, person, name].includes(team.lowest))
    ?? [...team.members].filter(({ bar }) => bar !== null).sort((a, b) => a.bar! - b.bar!)[0]
  const { retreat } = team
  const said = lang.value === 'zh' ? team.zh : team.en
  return (
    <article class={`air-team ${retreat?.recommend ? 'leave' : ''}`} data-testid="air-team" data-team={team.id} data-retreat={retreat?.recommend ?? false}>
      <header><h3>{team.name}</h3><span class="says">{said}</span></header>
      {retreat?.recommend && <p class="retreat" role="alert">{t('retreat_now')}</p>}
      <div class="big three-big">
        <span>{t('lowest')} {lowest && nameOfMember(lowest)}<b data-testid="air-lowest">{lowest?.bar == null ? '—' : `${Math.round(lowest.bar)} bar`}</b></span>
        <span>{t('turn_back_in')}<b data-testid="air-turn-back">{team.turn_back_s === null ? '—' : minutesText(team.turn_back_s)}</b></span>
        <span>{t('egress')}<b>{team.egress_s === null ? '—' : minutesText(team.egress_s)}</b></span>
      </div>
      {retreat && <Binding retreat={retreat} />}
      <table class="members"><tbody>{team.members.map((member) => <Member key={member.person || member.unit || member.name} team={team.id} member={member} />)}</tbody></table>
      {may('entry') && (
        <>
          <QuickForm fields={[{ name: 'person_name', wide: true }, { name: 'bar', number: BAR_MAX }]} button="add" testid="member-add" act={({ person_name, bar }) => run(() => addMember(team.id, person_name!, Number(bar)))} />
          <Twice data-testid="team-end" disabled={busy.value} onSure={() => void run(() => endTeam(team.id))}>{t('team_end')}</Twice>
        </>
      )}
      <Trouble words={trouble} />
    </article>
  )
}

/** Which term of the rule decides, beside the others, so that nobody has to believe it. */
function Binding({ retreat }: { retreat: NonNullable<AirTeam['retreat']> }) {
  const said = (lang.value === 'zh' ? retreat.zh : retreat.en) || retreat.terms.find(({ name }) => name === retreat.binding)?.[lang.value] || retreat.binding
  return (
    <details class="binding">
      <summary>{t('binding')} <b>{said || '—'}</b>{retreat.margin_s !== null && ` · ${t('margin')} ${minutesText(retreat.margin_s)}`}</summary>
      <ul>{retreat.terms.map((term) => <li key={term.name} class={term.name === retreat.binding ? 'binds' : ''}>{term[lang.value] || term.name} {term.value ?? '—'} {term.unit}</li>)}</ul>
    </details>
  )
}

function Member({ team, member }: { team: string; member: AirMember }) {
  void pulse.value
  const { trouble, run } = useAct()
  const ageS = member.t_bar === null ? NaN : (clock.now() - member.t_bar) / 1000
  return (
    <>
      <tr class={member.stale ? 'old' : ''} data-testid="air-member">
        <th scope="row">{nameOfMember(member)}{member.by_hand && <small> · {t('by_hand')}</small>}</th>
        <td><b>{member.bar === null ? '—' : `${Math.round(member.bar)} bar`}</b></td>
        <td>{member.minutes_left === null ? '—' : t('minutes_n', { n: Math.floor(member.minutes_left) })}</td>
        <td class="age">{ageText(ageS)}{member.stale && ` · ${t('stale')}`}</td>
      </tr>
      {member.by_hand && may('entry') && (
        <tr class="read">
          <td colSpan={4}>
            <QuickForm fields={[{ name: 'bar_read', number: BAR_MAX, as: 'bar' }]} button="save" testid="pressure" act={({ bar }) => run(() => readPressure(team, member.person || member.name, Number(bar)))} />
            <Trouble words={trouble} />
          </td>
        </tr>
      )}
    </>
  )
}
