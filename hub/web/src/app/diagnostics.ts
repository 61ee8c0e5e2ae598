/** `window.__zhantu`: what a test, or a person with the console open, may ask the page. Described in README.md. */
import { clock, contactOf, ring, selectedId, store } from './core'
import { following, selection } from './mapState'
import { source } from './timeline'
import type { Overlay } from '../map/overlay'
import { ageS, state, type Contact, type State } from '../laws/contact'

export interface UnitDiagnosis {
  lat: number
  lon: number
  t_fix: number
  age_s: number
  state: State
  contact: Contact
  trail_points: number
}

export interface Diagnostics {
  readonly units: number
  readonly ticks: number
  readonly selected: string | null
  hubNow(): number
  unit(id: string): UnitDiagnosis | null
  /** Where the map draws a unit now, which in a replay is where it was; and of which moment, hub ms. */
  drawn(id: string): { lat: number; lon: number; t: number } | null
  /** What can be looked back at, hub ms. */
  kept(): { from: number; until: number; bytes: number }
  readonly map: MapDiagnosis | null
}

/** `drawn`: pictures that reached the screen; `dots`: units are drawn as dots. `places`: what can be clicked, px of the map. */
export interface MapDiagnosis {
  drawn: number
  shown: number
  dots: boolean
  graphics: string
  glide: boolean
  coarse: boolean
  following: string | null
  selection: string[]
  fan: string[]
  inside: number
  places: { id: string; fly: boolean; x: number; y: number }[]
  at(id: string): { x: number; y: number } | null
}

declare global {
  interface Window { __zhantu: Diagnostics }
}

export function startDiagnostics(): void {
  window.__zhantu = {
    get units() { return store.slots.length },
    get ticks() { return store.ticks },
    get selected() { return selectedId.peek() },
    hubNow: () => clock.now(),
    unit,
    drawn,
    kept: () => ({ from: ring.from, until: ring.until, bytes: ring.bytes }),
    get map() { return overlay && mapNow(overlay) },
  }
}

let overlay: Overlay | null = null

/** The map says that it stands. */
export function showDiagnostics(of: Overlay): void {
  overlay = of
}

function mapNow(map: Overlay): MapDiagnosis {
  const idOf = (slot: number): string => store.meta(slot)?.id ?? ''
  const { shown, crowded, inside } = map.scene
  return {
    drawn: map.drawn, shown, dots: crowded, graphics: map.graphics, glide: map.pace.glide, coarse: map.pace.coarse,
    following: following.peek(), selection: [...selection.peek()], fan: map.fan.map(idOf), inside: inside.length,
    places: map.places.map(({ slot, fly, x0, y0, x1, y1 }) => ({ id: idOf(slot), fly: fly === true, x: (x0 + x1) / 2, y: (y0 + y1) / 2 })),
    at: (id) => {
      const slot = store.slotOf(id)
      return slot === undefined ? null : map.pixelOf(slot)
    },
  }
}

function drawn(id: string): { lat: number; lon: number; t: number } | null {
  const shown = source.peek()
  const slot = shown.slots.find((one) => shown.meta(one)?.id === id)
  return slot === undefined ? null : { lat: shown.col.lat[slot]! / 1e7, lon: shown.col.lon[slot]! / 1e7, t: shown.now() }
}

function unit(id: string): UnitDiagnosis | null {
  const slot = store.slotOf(id)
  if (slot === undefined) return null
  const { lat, lon, t_fix, flags } = store.col
  const heard = contactOf(slot)
  return {
    lat: lat[slot]! / 1e7,
    lon: lon[slot]! / 1e7,
    t_fix: t_fix[slot]!,
    age_s: ageS(clock.now(), t_fix[slot]!),
    state: state(heard, flags[slot]!),
    contact: heard,
    trail_points: store.trails.get(slot)?.t.length ?? 0,
  }
}
