/** `window.__zhantu`: what a test, or a person with the console open, may ask the page. Described in README.md. */
import { clock, contactOf, selectedId, store } from './core'
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
  }
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
