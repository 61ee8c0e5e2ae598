/** Air of each team inside: the lowest member, when to turn back, and whether the retreat rule says now, and why. */
import { clock, pulse } from '../app/core'
import { openPane } from '../app/pane'
import { air } from '../app/safety'
import { may } from '../app/session'
import { ours } from '../app/targets'
import { addMember, addTeam, addUnit, endTeam, oneWent, readPressure, startRoll, teamWent } from '../api/safety'
import { giveSigned, standing } from '../command/command'
import type { AirMember, AirTeam } from '../feed/safety'
import { lang, t } from '../i18n'
import { orderTarget } from '../laws/people'
import { ageText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { minutesText } from '../panels/measures'
import { nameOf } from './people'
import { QuickForm } from './QuickForm'

const BAR_MAX = 400

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

const isIn = ({ state }: AirTeam): boolean => state === 'inside' || state === 'coming_out'

function Team({ team }: { team: AirTeam }) {
  const { trouble, run } = useAct()
  const lowest = team.members.find(({ unit, person, name }) => team.lowest !== null && [unit, person, name].includes(team.lowest))
    ?? [...team.members].filter(({ bar }) => bar !== null).sort((a, b) => a.bar! - b.bar!)[0]
  const { retreat } = team
  const said = [lang.value === 'zh' ? team.zh : team.en, isIn(team) && team.planned_s ? t('planned', { n: Math.round(team.planned_s / 60) }) : '', team.task, team.point].filter(Boolean).join(' · ')
  return (
    <article class={`air-team ${retreat?.recommend ? 'leave' : ''}`} data-testid="air-team" data-team={team.id} data-state={team.state} data-retreat={retreat?.recommend ?? false}>
      <header><h3>{team.name}</h3><span class="says">{said}</span></header>
      {retreat?.recommend && <p class="retreat" role="alert">{t('retreat_now')}</p>}
      <div class="big three-big">
        <span>{t('lowest')} {lowest && nameOf(lowest)}<b data-testid="air-lowest">{lowest?.bar == null ? '—' : `${Math.round(lowest.bar)} bar`}</b></span>
        <span>{t('turn_back_in')}<b data-testid="air-turn-back" class={team.turn_back_s !== null && team.turn_back_s <= 0 ? 'bad' : ''}>{team.turn_back_s === null ? '—' : minutesText(team.turn_back_s)}</b></span>
        <span>{t('egress')}<b>{team.egress_s === null ? '—' : minutesText(team.egress_s)}</b></span>
      </div>
      {retreat && <Binding retreat={retreat} />}
      <Steps team={team} />
      <table class="members"><tbody>{team.members.map((member) => <Member key={member.person || member.unit || member.name} team={team} member={member} />)}</tbody></table>
      {may('entry') && team.state !== 'ended' && (
        <>
          <QuickForm fields={[{ name: 'person_name', wide: true }, { name: 'bar', number: BAR_MAX }]} button="add" testid="member-add" act={({ person_name, bar }) => run(() => addMember(team.id, person_name!, Number(bar)))} />
          <AddUnit team={team} run={run} />
        </>
      )}
      <Trouble words={trouble} />
    </article>
  )
}

/** A unit with a device: one choice, and it is in. */
function AddUnit({ team, run }: { team: AirTeam; run: (what: () => Promise<unknown>) => Promise<void> }) {
  const taken = new Set(air.value?.flatMap(({ members }) => members.map(({ unit }) => unit)))
  return (
    <select class="unit-add" data-testid="unit-add" aria-label={t('unit_add')} value="" onChange={(event) => {
      const unit = event.currentTarget.value
      event.currentTarget.value = ''
      void run(() => addUnit(team.id, unit))
    }}>
      <option value="">{t('unit_add')}</option>
      {ours.value.filter(({ id }) => !taken.has(id)).map(({ id, callsign }) => <option key={id} value={id}>{callsign}</option>)}
    </select>
  )
}

/** What they do now, and what one may do about them. */
function Steps({ team }: { team: AirTeam }) {
  const { busy, trouble, run } = useAct()
  const target = orderTarget(team)
  const nobody = team.members.length === 0
  return (
    <div class="steps">
      {may('entry') && !isIn(team) && <button class="main" data-testid="team-inside" disabled={busy.value || nobody} onClick={() => void run(() => teamWent(team.id, 'inside'))}>{t('go_inside')}</button>}
      {may('entry') && team.state === 'inside' && <button data-testid="team-arrived" disabled={busy.value} onClick={() => void run(() => teamWent(team.id, 'arrived'))}>{t('go_arrived')}</button>}
      {may('entry') && team.state === 'inside' && <button data-testid="team-coming-out" disabled={busy.value} onClick={() => void run(() => teamWent(team.id, 'coming_out'))}>{t('go_coming_out')}</button>}
      {may('entry') && isIn(team) && <Twice data-testid="team-out" disabled={busy.value} onSure={() => void run(() => teamWent(team.id, 'out'))}>{t('go_out')}</Twice>}
      {may('entry') && !isIn(team) && <Twice data-testid="team-end" disabled={busy.value} onSure={() => void run(() => endTeam(team.id))}>{t('team_finish')}</Twice>}
      {may('roll-call') && !nobody && <button data-testid="team-roll" disabled={busy.value} onClick={() => void run(async () => { await startRoll(`entry:${team.id}`); openPane('safety', 'roll') })}>{t('team_roll')}</button>}
      {may('order') && isIn(team) && target !== '' && standing.value === 'ready' && (
        <Twice class="grave" data-testid="team-evacuate" disabled={busy.value} onSure={() => void run(async () => { await giveSigned('evacuate', target, ''); openPane('safety', 'evacuation') })}>{t('team_evacuate')}</Twice>
      )}
      <Trouble words={trouble} />
    </div>
  )
}

/** Which term of the rule decides, beside the others, so that nobody has to believe it. */
function Binding({ retreat }: { retreat: NonNullable<AirTeam['retreat']> }) {
  const said = (lang.value === 'zh' ? retreat.zh : retreat.en) || retreat.terms.find(({ name }) => name === retreat.binding)?.[lang.value] || retreat.binding
  return (
    <details class="binding">
      <summary>{t('binding')} <b>{said || '—'}</b>{retreat.margin_s !== null && ` · ${t('margin')} ${minutesText(retreat.margin_s)}`}</summary>
      <ul>{retreat.terms.map((term, i) => <li key={i} class={term.name === retreat.binding ? 'binds' : ''}>{term[lang.value] || term.name} {term.value ?? '—'} {term.unit}</li>)}</ul>
    </details>
  )
}

function Member({ team, member }: { team: AirTeam; member: AirMember }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const ageS = member.t_bar === null ? NaN : (clock.now() - member.t_bar) / 1000
  const key = member.person || member.unit || member.name
  const gone = isIn(team) && !member.inside
  return (
    <>
      <tr class={`${member.stale ? 'old' : ''} ${gone ? 'has' : ''}`} data-testid="air-member">
        <th scope="row">{nameOf(member)}{member.by_hand && <small> · {t('by_hand')}</small>}{gone && <small> · {t('person_out')}</small>}</th>
        <td><b>{member.bar === null ? '—' : `${Math.round(member.bar)} bar`}</b></td>
        <td>{member.minutes_left === null ? '—' : t('minutes_n', { n: Math.floor(member.minutes_left) })}</td>
        <td class="age">{ageText(ageS)}{member.stale && ` · ${t(member.by_hand ? 'reread' : 'stale')}`}</td>
      </tr>
      {(member.by_hand || (member.stale && member.inside)) && may('entry') && (
        <tr class="read">
          <td colSpan={4}>
            <div class="line">
              {member.inside && <Twice data-testid="person-out" disabled={busy.value} onSure={() => void run(() => oneWent(team.id, key, 'out'))}>{t('go_out_one')}</Twice>}
              <QuickForm fields={[{ name: 'bar_read', number: BAR_MAX, as: 'bar' }]} button="save" testid="pressure" act={({ bar }) => run(() => readPressure(team.id, key, Number(bar)))} />
            </div>
            <Trouble words={trouble} />
          </td>
        </tr>
      )}
    </>
  )
}
