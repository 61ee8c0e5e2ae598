/**
 * Who needs help, as rows of the alarm strip.
 *
 * Enters: events, which come at once, and the flags of the picture, which are the truth after a reconnect (events of
 * before are not sent again). Leaves: one row a unit, cause and measured thing. A row stays while the flag stands; an
 * event opens it without waiting for the flag. Bound: EVENTS_MAX events are remembered.
 */
import { FLAG_BODY, FLAG_DEVICE, FLAG_GAS, FLAG_LOW_AIR, FLAG_MAN_DOWN, FLAG_SOS } from '../laws/contact'
import { PHASE_CLEARED, type FeedEvent } from './messages'
import type { Store } from './store'

/** In the order of the strip. `code` as in protocols/catalog.py; 0 is a body's alarm whose kind we may not know. */
const CAUSES = [
  { cause: 'sos', flag: FLAG_SOS, code: 1 },
  { cause: 'fall', flag: FLAG_MAN_DOWN, code: 6 },
  { cause: 'mandown', flag: FLAG_MAN_DOWN, code: 2 },
  { cause: 'gas', flag: FLAG_GAS, code: 4 },
  { cause: 'gas_over', flag: FLAG_GAS, code: 13 },
  { cause: 'gas_stel', flag: FLAG_GAS, code: 9 },
  { cause: 'gas_twa', flag: FLAG_GAS, code: 10 },
  { cause: 'gas_rise', flag: FLAG_GAS, code: 11 },
  { cause: 'lowair', flag: FLAG_LOW_AIR, code: 3 },
  { cause: 'turn_back', flag: FLAG_LOW_AIR, code: 7 },
  { cause: 'air_lost', flag: FLAG_LOW_AIR, code: 8 },
  { cause: 'heat', flag: FLAG_BODY, code: 16 },
  { cause: 'strain', flag: FLAG_BODY, code: 15 },
  { cause: 'heart_alarm', flag: FLAG_BODY, code: 14 },
  { cause: 'body', flag: FLAG_BODY, code: 0 },
  { cause: 'gas_fault', flag: FLAG_GAS, code: 12 },
  { cause: 'device_fault', flag: FLAG_DEVICE, code: 5 },
  { cause: 'forged_order', flag: FLAG_DEVICE, code: 17 },
] as const

export type Cause = (typeof CAUSES)[number]['cause']

/** What a flag says when its event is not known. */
const PLAIN: readonly Cause[] = ['sos', 'mandown', 'gas', 'lowair', 'body', 'device_fault']
const PLACE = new Map(CAUSES.map(({ cause }, i) => [cause as Cause, i]))
const BY_CODE = new Map(CAUSES.map((known) => [known.code as number, known]))
const ANY_FLAG = CAUSES.reduce((sum, { flag }) => sum | flag, 0)

const EVENTS_MAX = 1_000
/** An event whose flag did not follow within this time was closed again before we saw it. */
const FLAG_FOLLOWS_MS = 5_000

export interface Alarm {
  key: string
  slot: number
  cause: Cause
  /** When it was raised, hub ms; NaN when only the flag is known. */
  since: number
  late: boolean
  /** Its open events, the latest last; none when only the flag is known. */
  events: FeedEvent[]
}

export const causeOf = (code: number): Cause | undefined => BY_CODE.get(code)?.cause

/** Which flag of the picture says the same; 0 for none. */
export const flagOf = (code: number | null): number => (code === null ? 0 : (BY_CODE.get(code)?.flag ?? 0))

export class Alarms {
  private raised = new Map<string, FeedEvent>()

  clear(): void {
    this.raised.clear()
  }

  event(id: string): FeedEvent | undefined {
    return this.raised.get(id)
  }

  apply(event: FeedEvent): void {
    if (!BY_CODE.has(event.code)) return
    const before = this.raised.get(event.id)
    if (event.phase >= PHASE_CLEARED || event.state === 'cleared') this.raised.delete(event.id)
    else this.raised.set(event.id, { ...event, t_event: event.t_raised ?? before?.t_event ?? event.t_event, late: before?.late ?? event.late })
    if (this.raised.size > EVENTS_MAX) this.raised.delete(this.raised.keys().next().value!)
  }

  /**
   * Open alarms, gravest first, then those nobody has seen, then the newest. `pictureT` is the hub time of the last
   * picture: flags say nothing about an event that came after it, as in a hidden tab.
   */
  open(store: Store, pictureT: number): Alarm[] {
    const rows = new Map<string, Alarm>()
    const told = new Map<number, number>()
    for (const event of this.raised.values()) {
      const { cause, flag } = BY_CODE.get(event.code)!
      const flagged = (store.col.flags[event.slot]! & flag) !== 0
      if (!flagged && !(pictureT - event.t < FLAG_FOLLOWS_MS)) {
        this.raised.delete(event.id)
        continue
      }
      told.set(event.slot, (told.get(event.slot) ?? 0) | flag)
      const key = `${cause}:${event.slot}:${event.field ?? ''}`
      const row = rows.get(key)
      if (row) row.events.push(event)
      else rows.set(key, { key, slot: event.slot, cause, since: event.t_event, late: event.late, events: [event] })
    }
    for (const slot of store.slots) {
      const untold = store.col.flags[slot]! & ANY_FLAG & ~(told.get(slot) ?? 0)
      if (untold === 0) continue
      for (const { cause, flag } of CAUSES) {
        if ((untold & flag) === 0 || !PLAIN.includes(cause)) continue
        rows.set(`${cause}:${slot}`, { key: `${cause}:${slot}`, slot, cause, since: NaN, late: false, events: [] })
      }
    }
    return [...rows.values()].sort((a, b) =>
      PLACE.get(a.cause)! - PLACE.get(b.cause)! || Number(isSeen(a)) - Number(isSeen(b)) || (b.since || 0) - (a.since || 0))
  }
}

/** Somebody has seen all of it. */
export const isSeen = ({ events }: Alarm): boolean => events.length > 0 && events.every(({ seen }) => seen)
