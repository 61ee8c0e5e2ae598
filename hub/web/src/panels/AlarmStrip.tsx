/**
 * Who needs help now: three rows and a count, above the map, which they push down: nothing covers them, they cover nothing.
 *
 * A click shows the unit; the button or `space` says that one has seen it. Somebody in danger is never only a number: those
 * beyond the rows stand by name in the last line.
 */
import { computed, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { clock, openAlarms, pulse, selectedId, store } from '../app/core'
import { listOpen } from '../app/listState'
import { openPane, pane } from '../app/pane'
import { drawn } from '../app/shown'
import { phone } from '../app/size'
import { showUnit } from '../app/show'
import { maySound, wake } from '../app/sound'
import { t } from '../i18n'
import { isAnswered, isCalling, rows, type Row } from '../laws/alarms'
import { AlarmRow } from './AlarmRow'
import { namesOf, wordsOf } from './alarmWords'
import { PrioritySign } from './signs'

const ROWS = 3
/** On a phone with an open drawer one row is left, and names: else nothing could be done about it. */
const ROWS_NARROW = 1
const NAMED_MAX = 12
const all = signal(false)
/** One sentence each; a screen reader breaks off for who is in danger, and waits its turn for the rest. */
const spokenOf = (grave: boolean): string => openAlarms.value.filter((alarm) => (alarm.priority === 1) === grave && isCalling(alarm, clock.now()))
  .map((alarm) => t('say_alarm', { callsign: namesOf(alarm), cause: wordsOf(alarm) })).join('；')
const spoken = computed(() => spokenOf(true))
const spokenLater = computed(() => spokenOf(false))

export function AlarmStrip() {
  const box = useRef<HTMLElement>(null)
  // A shelf ends without a message.
  void pulse.value
  const list = rows(openAlarms.value, clock.now())
  const most = phone.value && (pane.value !== null || selectedId.value !== null || listOpen.value) ? ROWS_NARROW : ROWS
  const shelved = openAlarms.value.length - list.reduce((sum, { others }) => sum + 1 + others.length, 0)
  useEffect(() => {
    drawn([...(box.current?.querySelectorAll<HTMLElement>('[data-alarm-id]') ?? [])].map((one) => one.dataset.alarmId!))
  })
  return (
    <section ref={box} tabIndex={-1} class={`alarms ${all.value ? 'all' : ''}`} aria-label={t('alarms')}>
      <div class="spoken" role="alert" aria-live="assertive">{spoken}</div>
      <div class="spoken" role="status" aria-live="polite">{spokenLater}</div>
      <div class="alarm-rows">
        {(all.value ? list : list.slice(0, most)).map((row) => <AlarmRow key={row.alarm.id} row={row} />)}
      </div>
      <Rest rest={list.slice(most)} shelved={shelved} />
      {list.length > 0 && !maySound.value && <button class="no-sound" data-testid="no-sound" onClick={wake}>{t('sound_off')}</button>}
    </section>
  )
}

function Rest({ rest, shelved }: { rest: Row[]; shelved: number }) {
  const grave = rest.filter(({ alarm }) => alarm.priority === 1)
  if (rest.length === 0 && shelved === 0) return null
  return (
    <div class="alarm-rest">
      {rest.length > 0 && (
        <button class="more" data-testid="alarm-more" onClick={() => (all.value = !all.value)}>
          {all.value ? t('alarm_less') : t('alarm_more', { n: rest.length })}
        </button>
      )}
      {!all.value && grave.slice(0, NAMED_MAX).map(({ alarm }) => (
        <button key={alarm.id} class={`grave ${isAnswered(alarm) ? 'seen' : 'calls'}`} data-alarm-id={alarm.id} onClick={() => showFirst(alarm.slots)}>
          <PrioritySign priority={1} size={16} /> {namesOf(alarm)}
        </button>
      ))}
      {!all.value && grave.length > NAMED_MAX && <b>+{grave.length - NAMED_MAX}</b>}
      {shelved > 0 && <button class="shelved" data-testid="shelved-count" onClick={() => openPane('alarms')}>{t('shelved_n', { n: shelved })}</button>}
    </div>
  )
}

function showFirst(slots: readonly number[]): void {
  const meta = slots.length > 0 ? store.meta(slots[0]!) : undefined
  if (meta) showUnit(meta.id)
}
