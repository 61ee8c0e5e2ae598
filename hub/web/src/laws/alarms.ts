/**
 * Which alarm stands first, and what three rows can say of many. Pure.
 *
 * What the hub tells as alarms comes first; a flag or an event of the picture that no alarm speaks of still has its row, so
 * that a fault of the engine hides nobody.
 */
import { flagOf, type Alarm, type Cause } from '../feed/alarms'
import type { FeedEvent } from '../feed/messages'
import type { AlarmMessage, Priority } from '../feed/safety'

export interface Shown extends AlarmMessage {
  /** The devices' own events that it is; none for an alarm of a rule. */
  events: FeedEvent[]
  /** False: only the picture says so; there is nothing at the hub to shelve or to close. */
  told: boolean
}

const GRAVE: ReadonlySet<Cause> = new Set(['sos', 'fall', 'mandown', 'lowair', 'turn_back', 'air_lost'])
const CODE_SOS = 1

export const isSos = ({ code, kind }: Pick<Shown, 'code' | 'kind'>): boolean => code === CODE_SOS || kind === 'sos' || kind === 'mayday'
export const isAnswered = (alarm: Shown): boolean => alarm.seen !== null || alarm.state === 'acknowledged'
export const isShelved = ({ shelved, priority }: Shown, now: number): boolean => priority > 1 && shelved !== null && shelved.until > now
/** It needs somebody now: open, nobody has said so, nobody has put it aside. */
export const isCalling = (alarm: Shown, now: number): boolean => alarm.open && !isAnswered(alarm) && !isShelved(alarm, now)

function fromPicture({ key, slot, cause, since, late, events }: Alarm, zh: string, en: string): Shown {
  const latest = events.at(-1)
  const seen = events.length > 0 && events.every((event) => event.seen) ? latest!.seen! : null
  const priority: Priority = GRAVE.has(cause) ? 1 : cause === 'device_fault' || cause === 'gas_fault' ? 3 : 2
  return {
    k: 'alarm', id: latest ? latest.id : key, kind: cause, priority, state: seen ? 'acknowledged' : 'raised', open: true, units: [], slots: [slot],
    zh, en, advice_zh: '', advice_en: '', why: [], lat: null, lon: null, cause: `unit:${slot}`, group: null, t_raised: since, t_hub: latest?.t ?? NaN,
    late, t_cleared: null, seen, shelved: null, event: latest?.id ?? null, code: latest?.code ?? null, escalation: 0, count: 1, sound: true, calls: [],
    events, told: false,
  }
}

/** All open alarms, in the order of the strip. `words` gives a cause in both languages. */
export function merged(
  told: Iterable<AlarmMessage>, picture: readonly Alarm[], eventOf: (id: string) => FeedEvent | undefined, words: (cause: Cause) => [string, string],
): Shown[] {
  const out: Shown[] = []
  const spokenOf = new Map<number, number>()
  for (const alarm of told) {
    for (const slot of alarm.slots) spokenOf.set(slot, (spokenOf.get(slot) ?? 0) | flagOf(alarm.code))
    if (!alarm.open) continue
    const event = alarm.event === null ? undefined : eventOf(alarm.event)
    out.push({ ...alarm, events: event ? [event] : [], told: true })
  }
  for (const alarm of picture) {
    const code = alarm.events.at(-1)?.code ?? null
    const flag = code === null ? flagOfCause(alarm.cause) : flagOf(code)
    if (((spokenOf.get(alarm.slot) ?? 0) & flag) === 0) out.push(fromPicture(alarm, ...words(alarm.cause)))
  }
  return out.sort(compare)
}

const flagOfCause = (cause: Cause): number => flagOf({ sos: 1, mandown: 2, lowair: 3, gas: 4, device_fault: 5 }[cause as string] ?? 0)

/** SOS, then by priority; in it those who still wait, then the newest. */
export function compare(a: Shown, b: Shown): number {
  return a.priority - b.priority || Number(isSos(b)) - Number(isSos(a)) || Number(isAnswered(a)) - Number(isAnswered(b)) ||
    (b.t_raised || 0) - (a.t_raised || 0) || (a.id < b.id ? -1 : 1)
}

export interface Row { alarm: Shown; others: Shown[] }

/** One row a group of one cause; who is in danger has a row of their own. Shelved ones are in no row. */
export function rows(alarms: readonly Shown[], now: number): Row[] {
  const out: Row[] = []
  const byGroup = new Map<string, Row>()
  for (const alarm of alarms) {
    if (isShelved(alarm, now)) continue
    const leader = alarm.group !== null && alarm.priority > 1 ? byGroup.get(alarm.group) : undefined
    if (leader) leader.others.push(alarm)
    else {
      const row: Row = { alarm, others: [] }
      out.push(row)
      if (alarm.group !== null && alarm.priority > 1) byGroup.set(alarm.group, row)
    }
  }
  return out
}

/** What `space` answers: the first in the order of the strip that calls. */
export const topCalling = (alarms: readonly Shown[], now: number): Shown | undefined => alarms.find((alarm) => isCalling(alarm, now))
