/** A zone under the hand: points clicked one by one, and what becomes of them. Pure; degrees, WGS-84. */
import type { Geometry, Position } from '../feed/safety'

export interface Drawing { shape: 'circle' | 'polygon'; points: Position[] }

const EARTH_M = 6_371_008.8
const CIRCLE_CORNERS = 48
export const CORNERS_MAX = 200
const RADIUS_M_MIN = 5

const radians = (degrees: number): number => (degrees * Math.PI) / 180

export function metresBetween([lon1, lat1]: Position, [lon2, lat2]: Position): number {
  const h = Math.sin(radians(lat2 - lat1) / 2) ** 2 + Math.cos(radians(lat1)) * Math.cos(radians(lat2)) * Math.sin(radians(lon2 - lon1) / 2) ** 2
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)))
}

/** Of a circle: its centre is the first point, its edge the second. NaN before that. */
export function radiusM({ shape, points }: Drawing): number {
  return shape === 'circle' && points.length === 2 ? Math.max(RADIUS_M_MIN, metresBetween(points[0]!, points[1]!)) : NaN
}

/** A circle has two points, so that a third click moves its edge; a polygon grows. */
export function withPoint(drawing: Drawing, point: Position): Drawing {
  const { shape, points } = drawing
  if (shape === 'circle') return { shape, points: points.length === 0 ? [point] : [points[0]!, point] }
  return points.length >= CORNERS_MAX ? drawing : { shape, points: [...points, point] }
}

export const withoutLast = ({ shape, points }: Drawing): Drawing => ({ shape, points: points.slice(0, -1) })

export const isWhole = (drawing: Drawing): boolean => (drawing.shape === 'circle' ? drawing.points.length === 2 : drawing.points.length >= 3 && !crosses(drawing.points))

/** Corners of a circle around a centre, closed, counter-clockwise as RFC 7946 wants it. */
export function circleRing([lon, lat]: Position, metres: number): Position[] {
  const out: Position[] = []
  for (let i = 0; i <= CIRCLE_CORNERS; i++) {
    const a = (2 * Math.PI * (i % CIRCLE_CORNERS)) / CIRCLE_CORNERS
    const dLat = ((metres * Math.sin(a)) / EARTH_M) * (180 / Math.PI)
    const dLon = ((metres * Math.cos(a)) / (EARTH_M * Math.cos(radians(lat)))) * (180 / Math.PI)
    out.push([lon + dLon, lat + dLat])
  }
  return out
}

/** Twice the signed area in square degrees, positive counter-clockwise. */
export const turn = (ring: readonly Position[]): number =>
  ring.reduce((sum, [x, y], i) => {
    const [nx, ny] = ring[(i + 1) % ring.length]!
    return sum + x * ny - nx * y
  }, 0)

/** GeoJSON of what is drawn; null while it is not whole. A circle is told by centre and radius. */
export function geometryOf(drawing: Drawing): { shape: 'circle'; centre: Position; radius_m: number } | { shape: 'polygon'; geometry: Geometry } | null {
  if (!isWhole(drawing)) return null
  if (drawing.shape === 'circle') return { shape: 'circle', centre: drawing.points[0]!, radius_m: Math.round(radiusM(drawing) * 10) / 10 }
  const ring = turn(drawing.points) < 0 ? [...drawing.points].reverse() : drawing.points
  return { shape: 'polygon', geometry: { type: 'Polygon', coordinates: [[...ring, ring[0]!]] } }
}

/** Whether the closed outline crosses itself: nobody could say what is inside. */
export function crosses(points: readonly Position[]): boolean {
  const n = points.length
  for (let i = 0; i < n; i++) {
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue
      if (meet(points[i]!, points[(i + 1) % n]!, points[j]!, points[(j + 1) % n]!)) return true
    }
  }
  return false
}

const side = (a: Position, b: Position, c: Position): number => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
const meet = (a: Position, b: Position, c: Position, d: Position): boolean => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
