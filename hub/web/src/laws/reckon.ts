/**
 * Dead reckoning: where to draw a unit that reports only when a straight line no longer shows where it is.
 *
 * Enters: what the last report said and the time. Leaves: a place, and how far the unit may be from it. Twin of
 * protocols/laws/reckon.py, which states the law; tests/web/reckon_vectors.json is read by both.
 */

/** Settings of a unit: E, m; the longest silence of a unit that is well, s; what a report may take on its way, s. */
export interface Law {
  errorM: number
  tMaxS: number
  lateS: number
}

/** Where a unit was, and how it moved: metres a second to the north and east. */
export interface State {
  tMs: number
  latDeg: number
  lonDeg: number
  northMps: number
  eastMps: number
}

export const LAW: Law = { errorM: 25, tMaxS: 60, lateS: 15 }
const METRES_PER_DEG_LAT = 111_194.93
/** Below, a receiver's course is noise. */
const STANDING_MPS = 0.3
const RADIANS = Math.PI / 180

/** The state of a unit whose last fix came with speed (m/s) and course (degrees); NaN for what it did not say. */
export function stateOf(tMs: number, latDeg: number, lonDeg: number, speedMps: number, courseDeg: number): State {
  const moves = speedMps >= STANDING_MPS && !Number.isNaN(courseDeg)
  const northMps = moves ? speedMps * Math.cos(courseDeg * RADIANS) : 0
  const eastMps = moves ? speedMps * Math.sin(courseDeg * RADIANS) : 0
  return { tMs, latDeg, lonDeg, northMps, eastMps }
}

/** Silence up to here says that all is as drawn, s. */
export function quietS(law: Law): number {
  return law.tMaxS + law.lateS
}

/** [latitude, longitude] in degrees. Before its report it is where it reported; after `quietS` it stands still. */
export function predict(state: State, tMs: number, law: Law = LAW): [number, number] {
  const dtS = Math.min(Math.max(0, (tMs - state.tMs) / 1000), quietS(law))
  const scale = METRES_PER_DEG_LAT * Math.max(0.01, Math.cos(state.latDeg * RADIANS))
  const lat = state.latDeg + (state.northMps * dtS) / METRES_PER_DEG_LAT
  const lon = state.lonDeg + (state.eastMps * dtS) / scale
  return [Math.min(Math.max(lat, -90), 90), ((((lon + 180) % 360) + 360) % 360) - 180]
}

/** The error to draw `ageS` after the reported fix, metres. `speedMaxMps`: nobody of this kind is faster. */
export function boundM(ageS: number, speedMaxMps: number, law: Law = LAW): number {
  return law.errorM + speedMaxMps * Math.max(0, ageS - quietS(law))
}

/** Where a unit is drawn, and how far it may be from there, m. */
export interface Drawn {
  latDeg: number
  lonDeg: number
  radiusM: number
}

/**
 * A unit that reports by dead reckoning, at the hub's time `nowMs`. `accuracyM` is the fix's own radius; speed (m/s) and course
 * (degrees) are NaN where the report did not say them.
 */
export function drawn(nowMs: number, fix: Omit<State, 'northMps' | 'eastMps'>, speedMps: number, courseDeg: number, accuracyM: number, speedMaxMps: number): Drawn {
  const [latDeg, lonDeg] = predict(stateOf(fix.tMs, fix.latDeg, fix.lonDeg, speedMps, courseDeg), nowMs)
  return { latDeg, lonDeg, radiusM: accuracyM + boundM(Math.max(0, nowMs - fix.tMs) / 1000, speedMaxMps) }
}
