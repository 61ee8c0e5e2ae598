/** One row of the strip: shape, what, who, since when, what to do, and who has said that they have seen it. */
import { acknowledge, teamOf } from '../app/alarmActs'
import { clock, pulse, store } from '../app/core'
import { maySee } from '../app/session'
import { openPane } from '../app/pane'
import { showUnit } from '../app/show'
import { t } from '../i18n'
import { isAnswered, isSos, type Row, type Shown } from '../laws/alarms'
import { ageS } from '../laws/contact'
import { ageText } from '../laws/words'
import { Trouble, useAct } from './acts'
import { roleWords } from './roles'
import { adviceOf, causeName, measureOf, namesOf, sinceText, wordsOf } from './alarmWords'
import { PrioritySign } from './signs'

export function AlarmRow({ row: { alarm, others } }: { row: Row }) {
  void pulse.value
  const now = clock.now()
  const answered = isAnswered(alarm)
  const slot = alarm.slots[0]
  const meta = slot === undefined ? undefined : store.meta(slot)
  const fixAge = meta ? ageS(now, store.col.t_fix[slot!]!) : NaN
  const over = alarm.state === 'cleared'
  const measured = measureOf(alarm)
  const advice = adviceOf(alarm)
  return (
    <div class={`alarm priority-${alarm.priority} ${isSos(alarm) && !answered ? 'calls' : ''} ${answered ? 'seen' : ''} ${over ? 'over' : ''}`} data-testid="alarm-row"
      data-alarm-id={alarm.id} data-unit-id={meta?.id} data-cause={causeName(alarm)} data-priority={alarm.priority} data-late={alarm.late}
      onClick={() => (meta ? showUnit(meta.id) : openPane('alarms'))}>
      <PrioritySign priority={alarm.priority} />
      <strong>{wordsOf(alarm)}{over && ` · ${t('event_over')}`}</strong>
      <strong class="name">{namesOf(alarm)}</strong>
      {others.length > 0 && <span class="others">{t('same_cause', { n: others.length })}</span>}
      {measured && <span class="measured">{measured}</span>}
      {meta?.team && <span class="team">{meta.team}</span>}
      <span class="since">{sinceText(alarm, now)}</span>
      {alarm.escalation > 0 && !answered && <span class="escalated">{alarm.escalation > 1 || alarm.calls.length === 0 ? t('escalated_all') : t('escalated', { roles: alarm.calls.map(roleWords).join('、') })}</span>}
      {meta && <span class="where">{Number.isNaN(fixAge) ? t('alarm_no_place') : t('alarm_last', { age: ageText(fixAge) })}</span>}
      <Answer alarm={alarm} />
      {meta && <button class="go">{t('alarm_go')} ›</button>}
      {advice && <span class="advice">{t('advice')} {advice}</span>}
    </div>
  )
}

/** The button, or who pressed it and whether the wearer knows. */
export function Answer({ alarm }: { alarm: Shown }) {
  const { busy, trouble, run } = useAct()
  if (!isAnswered(alarm)) {
    if (!alarm.told && alarm.events.length === 0) return null
    if (!maySee(teamOf(alarm))) return <span class="seen-note">{t('not_seen_yet')}</span>
    const say = (event: Event): void => {
      event.stopPropagation()
      void run(() => acknowledge(alarm))
    }
    return (
      <>
        <button class="see" data-testid="alarm-seen" title={t('seen_key')} disabled={busy.value} onClick={say}>{t('seen_do')}</button>
        <Trouble words={trouble} />
      </>
    )
  }
  const heard = alarm.events.length > 0 && alarm.events.every(({ seen }) => seen?.heard)
  return (
    <span class="seen-note" data-testid="alarm-seen-by" data-heard={heard}>
      <svg class="sign" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path class="line" d="M3 10.5l4.5 4.5L17 5" /></svg>
      {t('seen_by', { name: alarm.seen?.by ?? '' })}{alarm.events.length > 0 && ` · ${t(heard ? 'wearer_told' : 'wearer_not_told')}`}
    </span>
  )
}
