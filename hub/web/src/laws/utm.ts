/**
 * UTM and MGRS on WGS-84, as map readers and other teams say places. Pure.
 *
 * **Source:** Karney 2011, "Transverse Mercator with an accuracy of a few nanometers", to fourth order (< 1 mm in a zone); NGA
 * STND.0037 for zones, bands and letters. Beyond 84° N and 80° S there is none.
 */
export interface Utm { zone: number; north: boolean; eastM: number; northM: number }

const A_M = 6_378_137
const F = 1 / 298.257223563
const E = Math.sqrt(F * (2 - F))
const N = F / (2 - F)
const R_M = (A_M / (1 + N)) * (1 + N ** 2 / 4 + N ** 4 / 64)
const ALPHA = [
  N / 2 - (2 / 3) * N ** 2 + (5 / 16) * N ** 3 + (41 / 180) * N ** 4, (13 / 48) * N ** 2 - (3 / 5) * N ** 3 + (557 / 1440) * N ** 4,
  (61 / 240) * N ** 3 - (103 / 140) * N ** 4, (49561 / 161280) * N ** 4,
]
const BETA = [
  N / 2 - (2 / 3) * N ** 2 + (37 / 96) * N ** 3 - N ** 4 / 360, N ** 2 / 48 + N ** 3 / 15 - (437 / 1440) * N ** 4,
  (17 / 480) * N ** 3 - (37 / 840) * N ** 4, (4397 / 161280) * N ** 4,
]
const SCALE = 0.9996
const BANDS = 'CDEFGHJKLMNPQRSTUVWX'
const COLUMNS = ['ABCDEFGH', 'JKLMNPQR', 'STUVWXYZ']
const ROWS = 'ABCDEFGHJKLMNPQRSTUV'
export const LAT_MIN = -80
export const LAT_MAX = 84

const radians = (degrees: number): number => (degrees * Math.PI) / 180

export function zoneOf(lon: number, lat: number): number {
  if (lat >= 56 && lat < 64 && lon >= 3 && lon < 12) return 32
  if (lat >= 72 && lat <= 84 && lon >= 0 && lon < 42) return lon < 9 ? 31 : lon < 21 ? 33 : lon < 33 ? 35 : 37
  return Math.min(60, Math.floor((lon + 180) / 6) + 1)
}

/** In the zone it lies in, or in a neighbour's that is named. */
export function utmOf(lon: number, lat: number, zone = zoneOf(lon, lat)): Utm {
  const phi = radians(lat)
  const lambda = radians(lon - (6 * zone - 183))
  const t = Math.sinh(Math.atanh(Math.sin(phi)) - E * Math.atanh(E * Math.sin(phi)))
  const xi0 = Math.atan2(t, Math.cos(lambda))
  const eta0 = Math.asinh(Math.sin(lambda) / Math.hypot(t, Math.cos(lambda)))
  let [xi, eta] = [xi0, eta0]
  ALPHA.forEach((alpha, i) => {
    const j = 2 * (i + 1)
    xi += alpha * Math.sin(j * xi0) * Math.cosh(j * eta0)
    eta += alpha * Math.cos(j * xi0) * Math.sinh(j * eta0)
  })
  return { zone, north: lat >= 0, eastM: 500_000 + SCALE * R_M * eta, northM: SCALE * R_M * xi + (lat < 0 ? 10_000_000 : 0) }
}

/** Longitude and latitude. */
export function placeOf({ zone, north, eastM, northM }: Utm): [number, number] {
  const xi = (northM - (north ? 0 : 10_000_000)) / (SCALE * R_M)
  const eta = (eastM - 500_000) / (SCALE * R_M)
  let [xi0, eta0] = [xi, eta]
  BETA.forEach((beta, i) => {
    const j = 2 * (i + 1)
    xi0 -= beta * Math.sin(j * xi) * Math.cosh(j * eta)
    eta0 -= beta * Math.cos(j * xi) * Math.sinh(j * eta)
  })
  const t = Math.sin(xi0) / Math.hypot(Math.sinh(eta0), Math.cos(xi0))
  let tau = t
  for (let i = 0; i < 6; i++) {
    const sigma = Math.sinh(E * Math.atanh((E * tau) / Math.hypot(1, tau)))
    const guess = tau * Math.hypot(1, sigma) - sigma * Math.hypot(1, tau)
    tau += ((t - guess) * (1 + (1 - E * E) * tau * tau)) / ((1 - E * E) * Math.hypot(1, tau) * Math.hypot(1, guess))
  }
  const lon = 6 * zone - 183 + (Math.atan2(Math.sinh(eta0), Math.cos(xi0)) * 180) / Math.PI
  return [lon, (Math.atan(tau) * 180) / Math.PI]
}

/** `50S MF 12345 67890`, to a metre; null where there is none. */
export function mgrsOf(lon: number, lat: number): string | null {
  if (!(lat >= LAT_MIN && lat <= LAT_MAX) || !(lon >= -180 && lon <= 180)) return null
  const { zone, eastM, northM } = utmOf(lon, lat)
  const band = BANDS[Math.min(19, Math.floor((lat + 80) / 8))]!
  const column = COLUMNS[(zone - 1) % 3]![Math.floor(eastM / 100_000) - 1] ?? '?'
  const row = ROWS[(Math.floor(northM / 100_000) + (zone % 2 === 0 ? 5 : 0)) % 20]!
  const five = (metres: number): string => String(Math.floor(metres % 100_000)).padStart(5, '0')
  return `${zone}${band} ${column}${row} ${five(eastM)} ${five(northM)}`
}
