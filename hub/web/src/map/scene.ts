/**
 * What the map shows of the picture at one moment: which units, where, how old, how sure.
 *
 * Enters: store, time, view. Leaves: `Scene`, which the overlay draws until the next pulse. Pure but for reading the
 * store. A position is always the last known one: nothing is carried on along its course, but for a unit that reports by
 * dead reckoning, whose silence says that it is where both ends predict it.
 */
import { ABSENT, type UnitMeta } from '../feed/messages'
import type { PictureSource } from './source'
import { ageS, contact, FLAG_RECKONED, isForgotten, state, type Contact, type State } from '../laws/contact'
import { ACCURACY_UNKNOWN_M, doubtM, MOTIONS } from '../laws/doubt'
import { RANK } from '../laws/order'
import { drawn } from '../laws/reckon'
import { mercatorX, mercatorY, screenX, screenY, type View } from './view'

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
  selected: boolean
}

export interface Scene {
  /** The ones to see first come last, so that they are drawn on top. */
  marks: Mark[]
  inView: Set<number>
  crowded: boolean
  at: number
}

/** More than this many in view are drawn as dots, or fewer where symbols would cover each other; who is in danger or
 * selected never is. */
export const CROWD = 1_500
const SYMBOL_PX = 38
const COVER_MAX = 0.35
const MOVING_DMPS = 5
const MARGIN_PX = 40

export function scene(store: PictureSource, now: number, view: View, selectedSlot: number | undefined): Scene {
  const marks: Mark[] = []
  const inView = new Set<number>()
  for (const slot of store.slots) {
    const mark = markOf(store, slot, now, selectedSlot)
    if (!mark) continue
    marks.push(mark)
    const [px, py] = [screenX(view, mark.x), screenY(view, mark.y)]
    if (px > -MARGIN_PX && py > -MARGIN_PX && px < view.widthPx + MARGIN_PX && py < view.heightPx + MARGIN_PX) inView.add(slot)
  }
  marks.sort((a, b) => Number(a.selected) - Number(b.selected) || RANK[b.state] - RANK[a.state] || a.slot - b.slot)
  const cover = (inView.size * SYMBOL_PX ** 2) / (view.widthPx * view.heightPx)
  return { marks, inView, crowded: inView.size > CROWD || cover > COVER_MAX, at: now }
}

function markOf(store: PictureSource, slot: number, now: number, selectedSlot: number | undefined): Mark | null {
  const { t_fix, t_rx, lat, lon, hacc, speed, course, flags } = store.col
  if (Number.isNaN(t_fix[slot]!)) return null
  const meta = store.meta(slot)!
  if (isForgotten(meta.reported !== undefined, now, t_rx[slot]!)) return null
  const heard = contact(now, t_rx[slot]!, t_fix[slot]!, meta.stale_s, meta.lost_s)
  const age = ageS(now, t_fix[slot]!)
  const moving = heard === 'online' && speed[slot]! !== ABSENT.u16 && speed[slot]! >= MOVING_DMPS && course[slot]! !== ABSENT.u16
  const accuracyM = hacc[slot]! === ABSENT.u16 ? ACCURACY_UNKNOWN_M : hacc[slot]! / 10
  const fix = { tMs: t_fix[slot]!, latDeg: lat[slot]! / 1e7, lonDeg: lon[slot]! / 1e7 }
  const reckoned = (flags[slot]! & FLAG_RECKONED) !== 0
  const { latDeg, lonDeg, radiusM } = reckoned
    ? drawn(now, fix, unless(speed[slot]!, 0.1), unless(course[slot]!, 1), accuracyM, MOTIONS[meta.kind].speedMaxMps)
    : { ...fix, radiusM: doubtM(accuracyM, age, MOTIONS[meta.kind]) }
  return {
    slot,
    meta,
    x: mercatorX(lonDeg),
    y: mercatorY(latDeg),
    lat: latDeg,
    contact: heard,
    state: state(heard, flags[slot]!),
    ageS: age,
    radiusM,
    courseDeg: moving ? course[slot]! : NaN,
    selected: slot === selectedSlot,
  }
}

/** A column's value in its unit; NaN where it is absent. */
function unless(value: number, quantum: number): number {
  return value === ABSENT.u16 ? NaN : value * quantum
}
