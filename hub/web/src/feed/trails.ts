/**
 * Where units have been: the last few points of each from ticks, and what the hub's log says for those looked at.
 *
 * Short trails lie in three columns, a stretch of `pointsFor(rows)` points a slot, so that ten thousand moving units make
 * no objects and the heap stays flat. Bound: that many points a unit, the oldest eighth goes first; POINTS_FULL for the
 * FULL_MAX that were fetched last.
 */
export const POINTS_SHORT = 128
export const POINTS_FULL = 2000
const FULL_MAX = 16
/** Beyond these many rows a unit has fewer points: 45 MB at most for 16,384 rows, 71 MB for 262,144. */
const FEWER: readonly [rows: number, points: number][] = [[16_384, POINTS_SHORT], [65_536, 48], [Infinity, 16]]
/** Steps shorter than this are the receiver's noise, 1e-7 degrees: about 2 m. */
const STEP_E7 = 180
/** A unit that stands still leaves a point this often, so that its gaps stay visible. */
const STILL_MS = 15_000

/**
 * Oldest first. Views of the columns: to be read at once, not kept. `joined` 1: the hub says that nothing is missing since
 * the point before, however far apart they are in time.
 */
export interface Trail { t: Float64Array; lat: Int32Array; lon: Int32Array; joined: Uint8Array }
type Points = { t: ArrayLike<number>; lat: ArrayLike<number>; lon: ArrayLike<number>; joined?: ArrayLike<number>; gap?: ArrayLike<number> }

const pointsFor = (rows: number): number => FEWER.find(([most]) => rows <= most)![1]

/** `points` points of `rows` rows each, and how many of them are taken. */
class Columns {
  readonly t: Float64Array
  readonly lat: Int32Array
  readonly lon: Int32Array
  readonly joined: Uint8Array
  readonly count: Uint16Array

  constructor(readonly rows: number, readonly points: number) {
    this.t = new Float64Array(rows * points)
    this.lat = new Int32Array(rows * points)
    this.lon = new Int32Array(rows * points)
    this.joined = new Uint8Array(rows * points)
    this.count = new Uint16Array(rows)
  }

  append(row: number, t: number, lat: number, lon: number, joined = 0): void {
    if (this.count[row] === this.points) this.dropOldest(row)
    const at = row * this.points + this.count[row]!++
    this.t[at] = t
    this.lat[at] = lat
    this.lon[at] = lon
    this.joined[at] = joined
  }

  /** Those of `from` from `first` on, as many of the newest as there is room for. */
  take(row: number, from: Points, first = 0): void {
    for (let i = Math.max(first, from.t.length - this.points); i < from.t.length; i++) this.append(row, from.t[i]!, from.lat[i]!, from.lon[i]!, from.gap ? Number(from.gap[i] === 0) : from.joined?.[i])
  }

  view(row: number): Trail {
    const from = row * this.points
    const to = from + this.count[row]!
    return { t: this.t.subarray(from, to), lat: this.lat.subarray(from, to), lon: this.lon.subarray(from, to), joined: this.joined.subarray(from, to) }
  }

  private dropOldest(row: number): void {
    const [from, to] = [row * this.points, (row + 1) * this.points]
    const gone = Math.ceil(this.points / 8)
    for (const column of [this.t, this.lat, this.lon, this.joined]) column.copyWithin(from, from + gone, to)
    this.count[row]! -= gone
  }
}

export class Trails {
  private short = new Columns(1024, POINTS_SHORT)
  private full = new Map<number, Columns>()
  private hist = new Float64Array(1024).fill(NaN)

  get(slot: number): Trail | undefined {
    const trail = this.full.get(slot)?.view(0) ?? (slot < this.short.rows ? this.short.view(slot) : undefined)
    return trail && trail.t.length > 0 ? trail : undefined
  }

  clear(): void {
    this.short.count.fill(0)
    this.full.clear()
    this.hist.fill(NaN)
  }

  forget(slot: number): void {
    this.full.delete(slot)
    if (slot >= this.short.rows) return
    this.short.count[slot] = 0
    this.hist[slot] = NaN
  }

  /** Room for slots below `rows`; what is kept of each may become shorter. */
  makeRoom(rows: number): void {
    if (rows <= this.short.rows) return
    const before = this.short
    this.short = new Columns(rows, pointsFor(rows))
    for (let slot = 0; slot < before.rows; slot++) if (before.count[slot]! > 0) this.short.take(slot, before.view(slot))
    const hist = new Float64Array(rows).fill(NaN)
    hist.set(this.hist)
    this.hist = hist
  }

  /** Takes a unit's `hist`; true when rows older than the newest arrived since the last call. */
  outdated(slot: number, hist: number): boolean {
    const known = this.hist[slot]!
    this.hist[slot] = hist
    return known !== hist && !Number.isNaN(known)
  }

  /** A fix of a tick; `lat` and `lon` in 1e-7 degrees. One older than the last is left to the hub's log. */
  push(slot: number, t: number, lat: number, lon: number): void {
    const full = this.full.size > 0 ? this.full.get(slot) : undefined
    const into = full ?? this.short
    const row = full ? 0 : slot
    const count = into.count[row]!
    if (count > 0) {
      const last = row * into.points + count - 1
      const passed = t - into.t[last]!
      if (passed <= 0) return
      if (passed < STILL_MS && Math.abs(lat - into.lat[last]!) + Math.abs(lon - into.lon[last]!) < STEP_E7) return
    }
    into.append(row, t, lat, lon)
  }

  /** Replaces a trail by the hub's, oldest first, and keeps the newer points that ticks brought meanwhile. */
  replace(slot: number, from: Points, cap: number): void {
    const made = new Columns(1, Math.max(cap, POINTS_SHORT))
    made.take(0, from)
    const newest = from.t.length > 0 ? from.t[from.t.length - 1]! : -Infinity
    const before = this.get(slot)
    if (before) made.take(0, before, before.t.findIndex((t) => t > newest) >>> 0)
    if (cap <= this.short.points) {
      this.full.delete(slot)
      this.shorten(slot, made)
      return
    }
    this.full.delete(slot)
    this.full.set(slot, made)
    if (this.full.size <= FULL_MAX) return
    const [oldest, columns] = this.full.entries().next().value!
    this.full.delete(oldest)
    this.shorten(oldest, columns)
  }

  private shorten(slot: number, from: Columns): void {
    this.short.count[slot] = 0
    this.short.take(slot, from.view(0))
  }
}
