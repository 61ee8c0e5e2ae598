/**
 * Everyone by name, with contact and state now: what list, counts and orders read.
 *
 * Enters: the store and the hub's time, four times a second. Leaves: counts, and a list that is a new one only when somebody
 * came, went or changed state; a unit of the list is the same object until then. So ten thousand units that only move cost
 * one pass over the columns and make nothing. Called by `app/core.ts`.
 */
import { contact, FLAG_SOS, isForgotten, state, type Contact, type State } from '../laws/contact'
import { nameOrder } from '../laws/order'
import type { Store } from './store'

export interface Unit {
  slot: number
  id: string
  callsign: string
  team: string
  state: State
  contact: Contact
  place: number
  /** Not one of ours: it is in no count. */
  reported: boolean
}

export interface Counts { total: number; online: number; stale: number; lost: number; sos: number }

/** A list of more than this many is made anew at most once in LARGE_MS, but at once for danger. */
const LARGE = 3_000
const LARGE_MS = 1_000

const isDanger = (unit: Unit | undefined): boolean => unit !== undefined && (unit.state === 'sos' || unit.state === 'mandown')

export class Roster {
  /** In the order of callsigns. */
  list: Unit[] = []
  counts: Counts = { total: 0, online: 0, stale: 0, lost: 0, sos: 0 }
  private units: (Unit | undefined)[] = []
  private order: number[] = []
  private named = -1
  private reportedTeam = ''
  private changed = false
  /** Not to be held back: somebody came or went, or is in danger. */
  private urgent = false
  private madeMs = -Infinity

  /** `nowMs` is the hub's time, `monoMs` this machine's; `reportedTeam` is the name of the team of those that others report. */
  update(store: Store, nowMs: number, monoMs: number, reportedTeam: string): void {
    if (store.named !== this.named || reportedTeam !== this.reportedTeam) this.name(store, reportedTeam)
    const counts: Counts = { total: 0, online: 0, stale: 0, lost: 0, sos: 0 }
    for (let i = 0; i < this.order.length; i++) {
      const before = this.units[i]
      const unit = (this.units[i] = this.look(store, this.order[i]!, i, nowMs, before))
      if (unit !== before) {
        this.changed = true
        this.urgent ||= isDanger(unit) || isDanger(before)
      }
      if (unit && !unit.reported) count(counts, unit, store.col.flags[unit.slot]!)
    }
    this.counts = counts
    if (!this.changed || (!this.urgent && this.units.length > LARGE && monoMs - this.madeMs < LARGE_MS)) return
    this.list = this.units.filter((unit) => unit !== undefined)
    this.changed = this.urgent = false
    this.madeMs = monoMs
  }

  private name(store: Store, reportedTeam: string): void {
    this.named = store.named
    this.reportedTeam = reportedTeam
    const places = nameOrder(store.slots.map((slot) => store.meta(slot)!.callsign))
    this.order = new Array<number>(places.length)
    places.forEach((place, i) => (this.order[place] = store.slots[i]!))
    this.units = []
    this.changed = this.urgent = true
  }

  private look(store: Store, slot: number, place: number, nowMs: number, before: Unit | undefined): Unit | undefined {
    const meta = store.meta(slot)!
    const { t_rx, t_fix, flags } = store.col
    const reported = meta.reported !== undefined
    if (isForgotten(reported, nowMs, t_rx[slot]!)) return undefined
    const heard = contact(nowMs, t_rx[slot]!, t_fix[slot]!, meta.stale_s, meta.lost_s)
    const now = state(heard, flags[slot]!)
    if (before && before.contact === heard && before.state === now) return before
    const { id, callsign } = meta
    return { slot, id, callsign, team: reported ? this.reportedTeam : meta.team, contact: heard, state: now, place, reported }
  }
}

function count(counts: Counts, unit: Unit, flags: number): void {
  counts.total += 1
  if (unit.contact !== 'unheard') counts[unit.contact] += 1
  if (flags & FLAG_SOS) counts.sos += 1
}
