/** `window.__zhantu`: what a test, or a person with the console open, may ask the page. Described in README.md. */
import { clock, contactOf, ring, selectedId, store } from './core'
import { source } from './timeline'
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
