/**
 * What the map shows of a picture at one moment: which units, where, how old, how sure.
 *
 * Enters: a picture, the view, and whom the commander marked. Leaves: `Scene`, which the overlay draws until the next
 * picture. One pass over typed columns says of everyone where and how grave; objects (`Mark`) are made only of who is drawn
 * with more than a dot. A position is always the last known one: nothing is carried on along its course, but for a unit that
 * reports by dead reckoning, whose silence says that it is where both ends predict it.
 */
import { ABSENT, type UnitMeta } from '../feed/messages'
import { ageS, contact, FLAG_RECKONED, isForgotten, state, type Contact, type State } from '../laws/contact'
import { ACCURACY_UNKNOWN_M, doubtM, MOTIONS } from '../laws/doubt'
import { isInside } from '../laws/inside'
import { drawn } from '../laws/reckon'
import type { PictureSource } from './source'
import { latOf, mercatorX, mercatorY, pxPerMetre, screenX, screenY, type View } from './view'

export interface Mark {
  slot: number
  meta: UnitMeta
  x: number
  y: number
  lat: number
  contact: Contact
  state: State
  ageS: number
  radiusM: number
  /** Degrees, NaN when it does not move or is not heard: an arrow on a silent unit would be a promise. */
  courseDeg: number
  /** The one whose drawer is open. */
  selected: boolean
  /** One of several that were marked together. */
  chosen: boolean
  /** A task was given to it and is not done. */
  tasked: boolean
}

export interface Wanted { selected: number | undefined; chosen: ReadonlySet<number>; tasked: ReadonlySet<number> }

export interface Scene {
  /** Whoever is drawn with more than a dot; the ones to see first come last, so that they are drawn on top. */
  marks: Mark[]
  /** Slots to draw, in the order in which they lie above each other: all in view, and some around for a hand that moves the map. */
  order: Uint32Array
  /** How many are in view. */
  shown: number
  crowded: boolean
  /** Slots that stand in a list beside their entrance. */
  inside: number[]
  /** The longest way on the screen that one in view went since the picture before, px. */
  stepPx: number
  at: number
}

/** More than this many in view are drawn as dots, or fewer where symbols would cover each other; who is in danger or
 * marked never is. */
export const CROWD = 1_500
const SYMBOL_PX = 38
const COVER_MAX = 0.35
const MOVING_DMPS = 5
const MARGIN_PX = 40
/** A unit that is somewhere else at once did not glide there. */
const JUMP_PX = 120
/** A circle of doubt may reach into the view although its middle is outside. */
const DOUBTS_MAX = 300

/** How grave, from the lowest layer up. 0 is not on the map. */
const LAYER: Record<State, number> = { unheard: 1, online: 2, stale: 3, lost: 4, mandown: 6, sos: 7 }
const MARKED = 5
const SELECTED = 8
const LAYERS = 9
const CONTACTS: readonly Contact[] = ['online', 'stale', 'lost', 'unheard']
const OUT = 0
const NEAR = 1
const IN_VIEW = 2

export class Sight {
  /** Mercator of each slot now and in the picture before. */
  x = new Float64Array(0)
  y = new Float64Array(0)
  beforeX = new Float64Array(0)
  beforeY = new Float64Array(0)
  private layer = new Uint8Array(0)
  private where = new Uint8Array(0)
  private contacts = new Uint8Array(0)
  private ticks = -1
  private readonly counts = new Uint32Array(LAYERS + 1)
  private order = new Uint32Array(0)

  isInView(slot: number): boolean {
    return this.where[slot] === IN_VIEW
  }

  /** Another picture: nobody glides from one into the other. */
  restart(): void {
    for (const column of [this.x, this.y, this.beforeX, this.beforeY]) column.fill(NaN)
    this.ticks = -1
  }

  contactOf(slot: number): Contact {
    return CONTACTS[this.contacts[slot]!]!
  }

  stateOf(source: PictureSource, slot: number): State {
    return state(this.contactOf(slot), source.col.flags[slot]!)
  }

  /** Of somebody who is drawn as a dot; null when it is not on the map. */
  markOf(source: PictureSource, slot: number, wanted: Wanted): Mark | null {
    return source.meta(slot) && this.layer[slot]! > 0 ? this.mark(source, slot, source.now(), wanted) : null
  }

  look(source: PictureSource, view: View, wanted: Wanted): Scene {
    this.makeRoom(source.col.t_fix.length)
    const now = source.now()
    const fresh = source.ticks !== this.ticks
    this.ticks = source.ticks
    this.counts.fill(0)
    const scene: Scene = { marks: [], order: this.order, shown: 0, crowded: false, inside: [], stepPx: 0, at: now }
    const silent: number[] = []
    for (let i = 0; i < source.slots.length; i++) {
      const slot = source.slots[i]!
      const layer = (this.layer[slot] = this.see(source, slot, now, view, wanted, fresh, scene))
      if (layer === 0) continue
      if (layer > LAYER.online && layer < MARKED && this.where[slot] !== IN_VIEW) silent.push(slot)
      if (this.where[slot] !== OUT || layer >= MARKED) this.counts[layer]! += 1
    }
    const cover = (scene.shown * SYMBOL_PX ** 2) / (view.widthPx * view.heightPx)
    scene.crowded = scene.shown > CROWD || cover > COVER_MAX
    scene.order = this.ordered(source.slots)
    if (!scene.crowded) for (const slot of silent.slice(0, DOUBTS_MAX)) this.addDoubt(source, slot, now, view, wanted, scene)
    for (const slot of scene.order) {
      const layer = this.layer[slot]!
      if (layer >= MARKED || (!scene.crowded && this.where[slot] === IN_VIEW)) scene.marks.push(this.mark(source, slot, now, wanted))
    }
    return scene
  }

  /** Where a slot is, into the columns, and in which layer; 0 when it is not on the map. */
  private see(source: PictureSource, slot: number, now: number, view: View, wanted: Wanted, fresh: boolean, scene: Scene): number {
    const { t_fix, t_rx, lat, lon, flags } = source.col
    const meta = source.meta(slot)
    this.where[slot] = OUT
    const fixMs = t_fix[slot]!
    if (!meta || isForgotten(meta.reported !== undefined, now, t_rx[slot]!)) return 0
    const heard = contact(now, t_rx[slot]!, fixMs, meta.stale_s, meta.lost_s)
    this.contacts[slot] = CONTACTS.indexOf(heard)
    const grave = LAYER[state(heard, flags[slot]!)]
    const marked = wanted.chosen.has(slot) || wanted.tasked.has(slot)
    const layer = slot === wanted.selected ? SELECTED : marked ? Math.max(MARKED, grave) : grave
    if (isInside(meta.entry, fixMs)) {
      scene.inside.push(slot)
      if (layer < MARKED) return 0
    }
    if (Number.isNaN(fixMs)) return 0
    let latDeg = lat[slot]! / 1e7
    let lonDeg = lon[slot]! / 1e7
    if ((flags[slot]! & FLAG_RECKONED) !== 0) ({ latDeg, lonDeg } = reckoned(source, slot, now, meta))
    this.move(slot, mercatorX(lonDeg), mercatorY(latDeg), view, fresh, scene)
    return layer
  }

  private move(slot: number, x: number, y: number, view: View, fresh: boolean, scene: Scene): void {
    if (fresh) {
      this.beforeX[slot] = this.x[slot]!
      this.beforeY[slot] = this.y[slot]!
    }
    this.x[slot] = x
    this.y[slot] = y
    const stepPx = (Math.abs(x - this.beforeX[slot]!) + Math.abs(y - this.beforeY[slot]!)) * view.worldPx
    if (!(stepPx < JUMP_PX)) {
      this.beforeX[slot] = x
      this.beforeY[slot] = y
    }
    const px = screenX(view, x)
    const py = screenY(view, y)
    if (px > -MARGIN_PX && py > -MARGIN_PX && px < view.widthPx + MARGIN_PX && py < view.heightPx + MARGIN_PX) {
      this.where[slot] = IN_VIEW
      scene.shown += 1
      if (stepPx < JUMP_PX && stepPx > scene.stepPx) scene.stepPx = stepPx
    } else if (px > -view.widthPx && py > -view.heightPx && px < 2 * view.widthPx && py < 2 * view.heightPx) this.where[slot] = NEAR
  }

  /** Slots by layer, the lowest first, by counting. */
  private ordered(slots: readonly number[]): Uint32Array {
    let sum = 0
    for (let layer = 0; layer <= LAYERS; layer++) {
      const count = this.counts[layer]!
      this.counts[layer] = sum
      sum += count
    }
    if (this.order.length < sum) this.order = new Uint32Array(sum * 2)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      const layer = this.layer[slot]!
      if (layer > 0 && (this.where[slot] !== OUT || layer >= MARKED)) this.order[this.counts[layer]!++] = slot
    }
    return this.order.subarray(0, sum)
  }

  private mark(source: PictureSource, slot: number, now: number, wanted: Wanted): Mark {
    const { t_fix, hacc, speed, course, flags } = source.col
    const meta = source.meta(slot)!
    const heard = this.contactOf(slot)
    const age = ageS(now, t_fix[slot]!)
    const moving = heard === 'online' && speed[slot]! !== ABSENT.u16 && speed[slot]! >= MOVING_DMPS && course[slot]! !== ABSENT.u16
    const accuracyM = hacc[slot]! === ABSENT.u16 ? ACCURACY_UNKNOWN_M : hacc[slot]! / 10
    const isReckoned = (flags[slot]! & FLAG_RECKONED) !== 0
    return {
      slot,
      meta,
      x: this.x[slot]!,
      y: this.y[slot]!,
      lat: latOf(this.y[slot]!),
      contact: heard,
      state: state(heard, flags[slot]!),
      ageS: age,
      radiusM: isReckoned ? reckoned(source, slot, now, meta).radiusM : doubtM(accuracyM, age, MOTIONS[meta.kind]),
      courseDeg: moving ? course[slot]! : NaN,
      selected: slot === wanted.selected,
      chosen: wanted.chosen.has(slot),
      tasked: wanted.tasked.has(slot),
    }
  }

  private addDoubt(source: PictureSource, slot: number, now: number, view: View, wanted: Wanted, scene: Scene): void {
    const mark = this.mark(source, slot, now, wanted)
    const reach = mark.radiusM * pxPerMetre(view, mark.lat)
    const [px, py] = [screenX(view, mark.x), screenY(view, mark.y)]
    if (px + reach > 0 && py + reach > 0 && px - reach < view.widthPx && py - reach < view.heightPx) scene.marks.push(mark)
  }

  private makeRoom(rows: number): void {
    if (rows <= this.x.length) return
    const wider = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const made = new Float64Array(rows).fill(NaN)
      made.set(column)
      return made
    }
    ;[this.x, this.y, this.beforeX, this.beforeY] = [this.x, this.y, this.beforeX, this.beforeY].map(wider) as [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>]
    this.layer = new Uint8Array(rows)
    this.where = new Uint8Array(rows)
    this.contacts = new Uint8Array(rows)
  }
}

function reckoned({ col }: PictureSource, slot: number, now: number, meta: UnitMeta): ReturnType<typeof drawn> {
  const { t_fix, lat, lon, hacc, speed, course } = col
  const accuracyM = hacc[slot]! === ABSENT.u16 ? ACCURACY_UNKNOWN_M : hacc[slot]! / 10
  const fix = { tMs: t_fix[slot]!, latDeg: lat[slot]! / 1e7, lonDeg: lon[slot]! / 1e7 }
  return drawn(now, fix, unless(speed[slot]!, 0.1), unless(course[slot]!, 1), accuracyM, MOTIONS[meta.kind].speedMaxMps)
}

/** A column's value in its unit; NaN where it is absent. */
function unless(value: number, quantum: number): number {
  return value === ABSENT.u16 ? NaN : value * quantum
}
