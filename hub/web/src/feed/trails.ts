/**
 * Where units have been: the last few points of each from ticks, and what the hub's log says for those looked at.
 *
 * Bound: POINTS_SHORT points a unit, POINTS_FULL for one whose trail was fetched; the oldest go first.
 */
export const POINTS_SHORT = 128
export const POINTS_FULL = 2000
/** Steps shorter than this are the receiver's noise, 1e-7 degrees: about 2 m. */
const STEP_E7 = 180
/** A unit that stands still leaves a point this often, so that its gaps stay visible. */
const STILL_MS = 15_000

/** `joined` 1: the hub says that nothing is missing since the point before, however far apart they are in time. */
export interface Trail { t: number[]; lat: number[]; lon: number[]; joined: number[]; cap: number }

export class Trails {
  private bySlot = new Map<number, Trail>()
  private hist = new Map<number, number>()

  get(slot: number): Trail | undefined {
    return this.bySlot.get(slot)
  }

  clear(): void {
    this.bySlot.clear()
    this.hist.clear()
  }

  forget(slot: number): void {
    this.bySlot.delete(slot)
    this.hist.delete(slot)
  }

  /** Takes a unit's `hist`; true when rows older than the newest arrived since the last call. */
  outdated(slot: number, hist: number): boolean {
    const known = this.hist.get(slot)
    this.hist.set(slot, hist)
    return known !== undefined && known !== hist
  }

  /** A fix of a tick; `lat` and `lon` in 1e-7 degrees. One older than the last is left to the hub's log. */
  push(slot: number, t: number, lat: number, lon: number): void {
    let trail = this.bySlot.get(slot)
    if (!trail) this.bySlot.set(slot, (trail = { t: [], lat: [], lon: [], joined: [], cap: POINTS_SHORT }))
    const last = trail.t.length - 1
    if (last >= 0) {
      if (t <= trail.t[last]!) return
      const moved = Math.abs(lat - trail.lat[last]!) + Math.abs(lon - trail.lon[last]!)
      if (moved < STEP_E7 && t - trail.t[last]! < STILL_MS) return
    }
    append(trail, t, lat, lon)
  }

  /** Replaces a trail by the hub's, oldest first, and keeps the newer points that ticks brought meanwhile. */
  replace(slot: number, from: { t: ArrayLike<number>; lat: ArrayLike<number>; lon: ArrayLike<number>; gap?: ArrayLike<number> }, cap: number): void {
    const before = this.bySlot.get(slot)
    const trail: Trail = { t: [], lat: [], lon: [], joined: [], cap }
    for (let i = Math.max(0, from.t.length - cap); i < from.t.length; i++) append(trail, from.t[i]!, from.lat[i]!, from.lon[i]!, from.gap?.[i] === 0 ? 1 : 0)
    const newest = trail.t.at(-1) ?? -Infinity
    for (let i = 0; before && i < before.t.length; i++) {
      if (before.t[i]! > newest) append(trail, before.t[i]!, before.lat[i]!, before.lon[i]!)
    }
    this.bySlot.set(slot, trail)
  }
}

function append(trail: Trail, t: number, lat: number, lon: number, joined = 0): void {
  trail.t.push(t)
  trail.lat.push(lat)
  trail.lon.push(lon)
  trail.joined.push(joined)
  if (trail.t.length > trail.cap + 64) for (const column of [trail.t, trail.lat, trail.lon, trail.joined]) column.splice(0, 64)
}
