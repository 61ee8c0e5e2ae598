/**
 * The picture: one typed array a column, one row a slot.
 *
 * Enters: messages from `socket.ts`. Leaves: columns that map and panels read in place. It holds no clock; whoever
 * reads brings the time. Bound: SLOTS_MAX rows, and the trails' own; a slot beyond is refused.
 */
import { COLUMN_TYPES, type ColumnArray, type ColumnName, type Meta, type Picture, type UnitMeta } from './messages'
import { Trails } from './trails'
import type { InsideMessage } from './whereabouts'
import { FeedError } from './decode'

const SLOTS_MAX = 262_144
const GROW = 1024
/** A stretch of this many slots is copied quicker as a block than row by row. */
const RUN_ROWS = 12

export interface Table {
  t_fix: Float64Array
  t_rx: Float64Array
  lat: Int32Array
  lon: Int32Array
  alt: Int32Array
  speed: Uint16Array
  course: Uint16Array
  hacc: Uint16Array
  mode: Uint8Array
  flags: Uint16Array
  hr: Uint8Array
  bat: Uint8Array
  air: Uint16Array
  hist: Uint32Array
}

const ARRAYS = { f64: Float64Array, i32: Int32Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array }

function table(rows: number): Table {
  const made: Record<string, unknown> = {}
  for (const [name, type] of Object.entries(COLUMN_TYPES)) {
    if (name !== 'slot') made[name] = new ARRAYS[type](rows)
  }
  const t = made as unknown as Table
  t.t_fix.fill(NaN)
  t.t_rx.fill(NaN)
  t.alt.fill(-(2 ** 31))
  for (const column of [t.speed, t.course, t.hacc, t.air]) column.fill(65535)
  for (const column of [t.hr, t.bat]) column.fill(255)
  return t
}

export class Store {
  /** Read in place; never kept across a tick, because growing replaces the arrays. */
  col: Table = table(GROW)
  /** Slots that have a name, in the order they came. */
  slots: number[] = []
  readonly trails = new Trails()
  seq = -1
  ticks = 0
  /** Grows when names or slots change, so that whoever orders them orders them once. */
  named = 0
  /** Whether the last picture changed a flag: that is told at once. */
  flagged = false
  /** Who is inside or underground, as the hub tells beside the names. */
  private insides = new Map<number, Pick<UnitMeta, 'floor' | 'entry'>>()
  private metas: (UnitMeta | undefined)[] = []
  private slotById = new Map<string, number>()
  private rows = GROW
  private fresh = true

  meta(slot: number): UnitMeta | undefined {
    return this.metas[slot]
  }

  slotOf(id: string): number | undefined {
    return this.slotById.get(id)
  }

  /** After `hello`: slots may mean other units now, so the next `meta` replaces all names. */
  expectAll(): void {
    this.fresh = true
  }

  applyMeta(message: Meta): void {
    if (this.fresh) this.forget()
    this.fresh = false
    this.named += 1
    for (const unit of message.units) {
      this.makeRoom(unit.slot)
      if (!this.metas[unit.slot]) this.slots.push(unit.slot)
      this.metas[unit.slot] = { ...unit, ...this.insides.get(unit.slot) }
      this.slotById.set(unit.id, unit.slot)
    }
  }

  applyInside({ slot, state, floor, entry }: InsideMessage): void {
    const before = this.metas[slot]
    if (!before) return
    const { floor: _floor, entry: _entry, ...plain } = before
    const where = state === 'out' ? {} : { ...(floor !== null && { floor }), ...(entry && { entry }) }
    this.insides.set(slot, where)
    this.metas[slot] = { ...plain, ...where }
    this.named += 1
  }

  /** Units that may not be seen any more: nothing of them stays. Their slots are never given to others. */
  remove(slots: readonly number[]): void {
    for (const slot of slots) {
      const meta = this.metas[slot]
      if (!meta) continue
      this.metas[slot] = undefined
      this.insides.delete(slot)
      this.slotById.delete(meta.id)
      this.trails.forget(slot)
      const empty = table(1)
      for (const name of Object.keys(empty) as (keyof Table)[]) this.col[name][slot] = empty[name][0]!
    }
    this.slots = this.slots.filter((slot) => this.metas[slot])
    this.named += 1
  }

  /** Slots whose trail on screen is out of date come back, so that the caller can fetch it. */
  applyPicture(message: Picture): number[] {
    const before = this.col.flags
    if (message.k === 'snap') this.col = table(this.rows)
    const { slot, ...columns } = message.c
    let most = -1
    for (let i = 0; i < slot.length; i++) if (slot[i]! > most) most = slot[i]!
    this.makeRoom(most)
    this.flagged = message.k === 'snap' || (columns.flags !== undefined && differ(before, slot, columns.flags as Uint16Array))
    const runs = runsOf(slot)
    for (const [name, values] of Object.entries(columns)) place(this.col[name as Exclude<ColumnName, 'slot'>], slot, values, runs)
    this.seq = message.seq
    this.ticks += 1
    return this.follow(slot)
  }

  private follow(slots: Uint32Array): number[] {
    const { trails } = this
    const { t_fix, lat, lon, hist } = this.col
    const outdated: number[] = []
    for (let i = 0; i < slots.length; i++) {
      const s = slots[i]!
      const t = t_fix[s]!
      if (!Number.isNaN(t)) trails.push(s, t, lat[s]!, lon[s]!)
      if (trails.outdated(s, hist[s]!)) outdated.push(s)
    }
    return outdated
  }

  private forget(): void {
    this.metas = []
    this.insides.clear()
    this.slots = []
    this.slotById.clear()
    this.trails.clear()
    this.col = table(this.rows)
  }

  private makeRoom(slot: number): void {
    if (slot < this.rows) return
    if (slot >= SLOTS_MAX) throw new FeedError(`feed: slot ${slot}, this screen holds slots below ${SLOTS_MAX}`)
    const rows = Math.min(SLOTS_MAX, Math.max(this.rows * 2, slot + GROW))
    const grown = table(rows)
    for (const name of Object.keys(grown) as (keyof Table)[]) (grown[name] as Float64Array).set(this.col[name] as Float64Array)
    this.col = grown
    this.rows = rows
    this.trails.makeRoom(rows)
  }
}

/** Whether a flag of one of the slots becomes another one. */
function differ(flags: Uint16Array, slots: Uint32Array, values: Uint16Array): boolean {
  for (let i = 0; i < slots.length; i++) if (flags[slots[i]!] !== values[i]) return true
  return false
}

/** Where stretches of neighbouring slots begin and end, when there are few of them; null when row by row is quicker. */
function runsOf(slots: Uint32Array): number[] | null {
  const ends: number[] = []
  for (let i = 1; i <= slots.length; i++) {
    if (i < slots.length && slots[i] === slots[i - 1]! + 1) continue
    ends.push(i)
    if (ends.length * RUN_ROWS > slots.length + RUN_ROWS) return null
  }
  return ends
}

function place(into: ColumnArray, slots: Uint32Array, values: ColumnArray, runs: number[] | null): void {
  if (runs === null) {
    for (let i = 0; i < slots.length; i++) into[slots[i]!] = values[i]!
    return
  }
  let from = 0
  for (const to of runs) {
    into.set(runs.length === 1 ? values : values.subarray(from, to), slots[from]!)
    from = to
  }
}
