/**
 * The picture: one typed array a column, one row a slot.
 *
 * Enters: messages from `socket.ts`. Leaves: columns that map and panels read in place. It holds no clock; whoever
 * reads brings the time. Bound: SLOTS_MAX rows and TRAIL_POINTS points of trail for each; a slot beyond is refused.
 */
import { COLUMN_TYPES, type ColumnName, type Meta, type Picture, type UnitMeta } from './messages'
import { Trails } from './trails'
import { FeedError } from './decode'

const SLOTS_MAX = 262_144
const GROW = 1024

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
    for (const unit of message.units) {
      this.makeRoom(unit.slot)
      if (!this.metas[unit.slot]) this.slots.push(unit.slot)
      this.metas[unit.slot] = unit
      this.slotById.set(unit.id, unit.slot)
    }
  }

  /** Units that may not be seen any more: nothing of them stays. Their slots are never given to others. */
  remove(slots: readonly number[]): void {
    for (const slot of slots) {
      const meta = this.metas[slot]
      if (!meta) continue
      this.metas[slot] = undefined
      this.slotById.delete(meta.id)
      this.trails.forget(slot)
      const empty = table(1)
      for (const name of Object.keys(empty) as (keyof Table)[]) this.col[name][slot] = empty[name][0]!
    }
    this.slots = this.slots.filter((slot) => this.metas[slot])
  }

  /** Slots whose trail on screen is out of date come back, so that the caller can fetch it. */
  applyPicture(message: Picture): number[] {
    if (message.k === 'snap') this.col = table(this.rows)
    const { slot, ...columns } = message.c
    for (const s of slot) this.makeRoom(s)
    for (const [name, values] of Object.entries(columns)) {
      const into = this.col[name as Exclude<ColumnName, 'slot'>]
      for (let i = 0; i < slot.length; i++) into[slot[i]!] = values[i]!
    }
    this.seq = message.seq
    this.ticks += 1
    return this.follow(slot)
  }

  private follow(slots: Uint32Array): number[] {
    const { t_fix, lat, lon, hist } = this.col
    for (const s of slots) {
      if (!Number.isNaN(t_fix[s]!)) this.trails.push(s, t_fix[s]!, lat[s]!, lon[s]!)
    }
    return Array.from(slots).filter((s) => this.trails.outdated(s, hist[s]!))
  }

  private forget(): void {
    this.metas = []
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
  }
}
