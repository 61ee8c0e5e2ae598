/**
 * Who needs help, as rows of the alarm strip.
 *
 * Enters: events, which come at once, and the flags of the picture, which are the truth after a reconnect (events of
 * before are not sent again). Leaves: one row a unit and cause. A row stays while the flag stands; an event opens it
 * without waiting for the flag. Bound: EVENTS_MAX events are remembered.
 */
import { FLAG_GAS, FLAG_LOW_AIR, FLAG_MAN_DOWN, FLAG_SOS } from '../laws/contact'
import { PHASE_CLEARED, type FeedEvent } from './messages'
import type { Store } from './store'

export type Cause = 'sos' | 'mandown' | 'gas' | 'lowair'

/** In the order of the strip. `code` as in protocols/catalog.py. */
const CAUSES: { cause: Cause; flag: number; code: number }[] = [
  { cause: 'sos', flag: FLAG_SOS, code: 1 },
  { cause: 'mandown', flag: FLAG_MAN_DOWN, code: 2 },
  { cause: 'gas', flag: FLAG_GAS, code: 4 },
  { cause: 'lowair', flag: FLAG_LOW_AIR, code: 3 },
]

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
}

export class Alarms {
  private raised = new Map<string, FeedEvent>()

  clear(): void {
    this.raised.clear()
  }

  apply(event: FeedEvent): void {
    const cause = CAUSES.find((known) => known.code === event.code)
    if (!cause) return
    const key = `${cause.cause}:${event.slot}`
    if (event.phase >= PHASE_CLEARED) this.raised.delete(key)
    else if (!this.raised.has(key)) this.raised.set(key, event)
    if (this.raised.size > EVENTS_MAX) this.raised.delete(this.raised.keys().next().value!)
  }

  /**
   * Open alarms, gravest first and newest first among equals. `pictureT` is the hub time of the last picture: flags
   * say nothing about an event that came after it, as in a hidden tab.
   */
  open(store: Store, pictureT: number): Alarm[] {
    const rows: Alarm[] = []
    for (const { cause, flag } of CAUSES) {
      const some: Alarm[] = []
      for (const slot of store.slots) {
        const key = `${cause}:${slot}`
        const event = this.raised.get(key)
        const flagged = (store.col.flags[slot]! & flag) !== 0
        const justRaised = event !== undefined && pictureT - event.t < FLAG_FOLLOWS_MS
        if (flagged || justRaised) some.push({ key, slot, cause, since: event?.t_event ?? NaN, late: event?.late ?? false })
        else if (event) this.raised.delete(key)
      }
      rows.push(...some.sort((a, b) => (b.since || 0) - (a.since || 0)))
    }
    return rows
  }
}
