/**
 * Who needs help now. Rows stand above the map and push it down, so nothing covers them and they cover nothing.
 *
 * A click shows the unit. "Seen" tells every screen and the wearer; the alarm stays open until it is over.
 */
import { computed, signal } from '@preact/signals'
import { clock, openAlarms, pulse, store } from '../app/core'
import { showUnit } from '../app/show'
import { isSeen, type Alarm } from '../feed/alarms'
import { t } from '../i18n'
import { ageS } from '../laws/contact'
import { ageText, clockText } from '../laws/words'
import { measuredText, SeenPart } from './EventWords'
import { StateSign } from './signs'

const ROWS = 3
const SPOKEN: ReadonlySet<string> = new Set(['sos', 'fall', 'mandown', 'turn_back'])
const all = signal(false)
const spoken = computed(() => openAlarms.value.filter((alarm) => SPOKEN.has(alarm.cause) && !isSeen(alarm)).map(words).join('；'))

function words(alarm: Alarm): string {
  return t('say_alarm', { callsign: store.meta(alarm.slot)?.callsign ?? '', cause: t(alarm.cause) })
}

export function AlarmStrip() {
  const open = openAlarms.value
  const rest = open.length - ROWS
  return (
    <section class={`alarms ${all.value ? 'all' : ''}`} aria-label={t('alarms')}>
      <div class="spoken" role="alert" aria-live="assertive">{spoken}</div>
      <div class="alarm-rows">
        {(all.value ? open : open.slice(0, ROWS)).map((alarm) => <Row key={alarm.key} alarm={alarm} />)}
      </div>
      {rest > 0 && (
        <button class="more" onClick={() => (all.value = !all.value)}>
          {all.value ? t('alarm_less') : t('alarm_more', { n: rest })}
        </button>
      )}
    </section>
  )
}

function Row({ alarm }: { alarm: Alarm }) {
  void pulse.value
  const meta = store.meta(alarm.slot)
  if (!meta) return null
  const age = ageS(clock.now(), store.col.t_fix[alarm.slot]!)
  const latest = alarm.events.at(-1)
  const measured = latest ? measuredText(latest) : ''
  return (
    <div class={`alarm alarm-${alarm.cause} ${isSeen(alarm) ? 'seen' : ''}`} data-testid="alarm-row" data-unit-id={meta.id} data-cause={alarm.cause} onClick={() => showUnit(meta.id)}>
      <StateSign state={alarm.cause} />
      <strong>{t(alarm.cause)}</strong>
      <strong class="name">{meta.callsign}</strong>
      {measured && <span class="measured">{measured}</span>}
      <span class="team">{meta.team}</span>
      {!Number.isNaN(alarm.since) && <span class="since">{t('alarm_since', { t: clockText(alarm.since) })}{alarm.late ? ` · ${t('alarm_late')}` : ''}</span>}
      <span class="where">{Number.isNaN(age) ? t('alarm_no_place') : t('alarm_last', { age: ageText(age) })}</span>
      <SeenPart events={alarm.events} team={meta.team} />
      <button class="go">{t('alarm_go')} ›</button>
    </div>
  )
}
