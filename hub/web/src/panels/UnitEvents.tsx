/** In the drawer: what happened to a unit of late, alarms first, and what its device heard others write. */
import { clock, messages, openAlarms, pulse, store } from '../app/core'
import { detailData } from '../app/detailFeed'
import { causeOf } from '../feed/alarms'
import type { EventRow } from '../api/http'
import { t } from '../i18n'
import { ageText, clockText } from '../laws/words'
import { codeWords, measuredText, SeenPart } from './EventWords'
import { Answer } from './AlarmRow'
import { adviceOf, sinceText, wordsOf } from './alarmWords'
import { PrioritySign, StateSign } from './signs'

const MESSAGES_SHOWN = 8

export function UnitEvents({ slot }: { slot: number }) {
  void pulse.value
  const rows = detailData.value?.events ?? []
  const team = store.meta(slot)!.team
  const open = openAlarms.value.filter(({ slots }) => slots.includes(slot)).flatMap(({ events }) => events)
  const openIds = new Set(open.map(({ id }) => id))
  const past = rows.filter(({ id, state }) => !openIds.has(id) && (state === 'cleared' || state === 'happened'))
  const ruled = openAlarms.value.filter(({ slots, events }) => slots.includes(slot) && events.length === 0)
  if (open.length === 0 && past.length === 0 && ruled.length === 0) return null
  return (
    <section class="events" data-testid="unit-events">
      <h3>{t('events')}</h3>
      {open.map((event) => (
        <div class="event open" key={event.id}>
          <StateSign state={causeOf(event.code) ?? 'device_fault'} />
          <strong>{codeWords(event.code)}</strong>
          <span class="when">{clockText(event.t_event)} · {ageText((clock.now() - event.t_event) / 1000)}</span>
          {measuredText(event) && <span class="what">{measuredText(event)}</span>}
          <SeenPart events={[event]} team={team} />
        </div>
      ))}
      {ruled.map((alarm) => (
        <div class="event open" key={alarm.id}>
          <PrioritySign priority={alarm.priority} />
          <strong>{wordsOf(alarm)}</strong>
          <span class="when">{sinceText(alarm, clock.now())}</span>
          {adviceOf(alarm) && <span class="what">{adviceOf(alarm)}</span>}
          <Answer alarm={alarm} />
        </div>
      ))}
      {past.map((event) => <Past key={event.id} event={event} />)}
    </section>
  )
}

function Past({ event }: { event: EventRow }) {
  const over = event.state === 'cleared'
  return (
    <div class={`event ${event.state}`}>
      <span>{codeWords(event.code)}{over && ` · ${t('event_over')}`}</span>
      <span class="when">{clockText(event.t_raised ?? event.t_event)}</span>
      {measuredText(event) && <span class="what">{measuredText(event)}</span>}
      {over && event.seen && <span class="what">{t('seen_by', { name: event.seen.by })}</span>}
    </div>
  )
}

/** Strangers' words, as they are. */
export function UnitMessages({ slot }: { slot: number }) {
  void pulse.value
  const id = store.meta(slot)!.id
  const some = messages.value.filter((message) => message.slot === slot || message.by === id).slice(-MESSAGES_SHOWN).reverse()
  if (some.length === 0) return null
  return (
    <section class="heard" data-testid="unit-messages">
      <h3>{t('messages')}</h3>
      {some.map((message) => (
        <p key={`${message.source}:${message.id}:${message.t}`}>
          <span class="when">{(message.slot !== null && store.meta(message.slot)?.callsign) || message.name} · {clockText(message.t)}</span>
          <span class="text" dir="auto">{message.text}</span>
        </p>
      ))}
    </section>
  )
}
