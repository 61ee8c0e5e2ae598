/**
 * What hub.safety tells, kept by its id: alarms, zones, air, roll-calls, evacuations, warnings, stations.
 *
 * Enters: messages of the feed, and answers of the hub to what this person did. Leaves: signals for panels and map. Bounds:
 * MAX of each; beyond, the oldest goes, closed alarms first.
 */
import { signal, type Signal } from '@preact/signals'
import type {
  AirTeam, AlarmHealth, AlarmMessage, DraftMessage, EvacuationMessage, RollMessage, SafetyMessage, StationMessage, WarningMessage, ZoneMessage,
} from '../feed/safety'

const MAX = 2_000
const RECENT_MAX = 20

const alarms = new Map<string, AlarmMessage>()

export const health = signal<AlarmHealth | null>(null)
export const zones = signal<ZoneMessage[]>([])
/** null: the hub has not told yet. */
export const air = signal<AirTeam[] | null>(null)
/** The newest first. */
export const rolls = signal<RollMessage[]>([])
export const evacuations = signal<EvacuationMessage[]>([])
export const warnings = signal<WarningMessage[]>([])
export const drafts = signal<DraftMessage[]>([])
export const stations = signal<StationMessage[]>([])

export const toldAlarms = (): Iterable<AlarmMessage> => alarms.values()

export function clearSafety(): void {
  alarms.clear()
  health.value = null
  air.value = null
  for (const list of [zones, rolls, evacuations, warnings, drafts, stations] as Signal<unknown[]>[]) list.value = []
}

export function takeSafety(message: SafetyMessage): void {
  switch (message.k) {
    case 'alarm': return takeAlarm(message)
    case 'alarm_health': return void (health.value = message)
    case 'air': return void (air.value = message.teams)
    case 'zone': return put(zones, message, MAX, message.gone)
    case 'roll': return put(rolls, message, RECENT_MAX)
    case 'evacuation': return put(evacuations, message, RECENT_MAX)
    case 'warning': return put(warnings, message, MAX, message.gone)
    case 'warning_draft': return put(drafts, message, MAX, message.state !== 'open')
    case 'station': return put(stations, message, MAX)
  }
}

/** From the feed, or as the answer to what this person did. */
export function takeAlarm(message: AlarmMessage): void {
  alarms.delete(message.id)
  alarms.set(message.id, message)
  if (alarms.size <= MAX) return
  const closed = [...alarms.values()].find(({ open }) => !open)
  alarms.delete(closed?.id ?? alarms.keys().next().value!)
}

/** In its place when it is known, else first. */
function put<T extends { id: string }>(list: Signal<T[]>, one: T, most: number, gone = false): void {
  const at = list.peek().findIndex(({ id }) => id === one.id)
  if (gone) list.value = list.peek().filter(({ id }) => id !== one.id)
  else if (at >= 0) list.value = list.peek().with(at, one)
  else list.value = [one, ...list.peek()].slice(0, most)
}
