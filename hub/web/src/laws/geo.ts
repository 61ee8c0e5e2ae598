/** Distances, bearings and areas on WGS-84. Pure; degrees and metres, longitude first. */
import type { Position } from '../feed/safety'

const A_M = 6_378_137
const F = 1 / 298.257223563
const B_M = A_M * (1 - F)
/** Of a sphere with the ellipsoid's area. */
const AUTHALIC_M = 6_371_007.181
const SPHERE_M = 6_371_008.8

const radians = (degrees: number): number => (degrees * Math.PI) / 180
const degrees = (radians_: number): number => (radians_ * 180) / Math.PI
const turn = (value: number): number => ((value % 360) + 360) % 360

export interface Leg { metres: number; bearingDeg: number }

/**
 * The shortest way and its first true bearing. **Source:** Vincenty 1975, Survey Review 23 (176), good to a millimetre; where it
 * does not settle (places opposite each other), the sphere's answer.
 */
export function leg([lon1, lat1]: Position, [lon2, lat2]: Position): Leg {
  const l = radians(lon2 - lon1)
  const u1 = Math.atan((1 - F) * Math.tan(radians(lat1)))
  const u2 = Math.atan((1 - F) * Math.tan(radians(lat2)))
  const [s1, c1, s2, c2] = [Math.sin(u1), Math.cos(u1), Math.sin(u2), Math.cos(u2)]
  let lambda = l
  for (let i = 0; i < 50; i++) {
    const [sl, cl] = [Math.sin(lambda), Math.cos(lambda)]
    const sinSigma = Math.hypot(c2 * sl, c1 * s2 - s1 * c2 * cl)
    if (sinSigma === 0) return { metres: 0, bearingDeg: 0 }
    const cosSigma = s1 * s2 + c1 * c2 * cl
    const sigma = Math.atan2(sinSigma, cosSigma)
    const sinAlpha = (c1 * c2 * sl) / sinSigma
    const cos2Alpha = 1 - sinAlpha ** 2
    const cos2M = cos2Alpha === 0 ? 0 : cosSigma - (2 * s1 * s2) / cos2Alpha
    const c = (F / 16) * cos2Alpha * (4 + F * (4 - 3 * cos2Alpha))
    const next = l + (1 - c) * F * sinAlpha * (sigma + c * sinSigma * (cos2M + c * cosSigma * (-1 + 2 * cos2M ** 2)))
    if (Math.abs(next - lambda) > 1e-12) {
      lambda = next
      continue
    }
    const u = (cos2Alpha * (A_M ** 2 - B_M ** 2)) / B_M ** 2
    const big = 1 + (u / 16384) * (4096 + u * (-768 + u * (320 - 175 * u)))
    const small = (u / 1024) * (256 + u * (-128 + u * (74 - 47 * u)))
    const more = small * sinSigma * (cos2M + (small / 4) * (cosSigma * (-1 + 2 * cos2M ** 2) - (small / 6) * cos2M * (-3 + 4 * sinSigma ** 2) * (-3 + 4 * cos2M ** 2)))
    return { metres: B_M * big * (sigma - more), bearingDeg: turn(degrees(Math.atan2(c2 * sl, c1 * s2 - s1 * c2 * cl))) }
  }
  return onSphere([lon1, lat1], [lon2, lat2])
}

function onSphere([lon1, lat1]: Position, [lon2, lat2]: Position): Leg {
  const [a, b, d] = [radians(lat1), radians(lat2), radians(lon2 - lon1)]
  const h = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(d / 2) ** 2
  const bearing = Math.atan2(Math.sin(d) * Math.cos(b), Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(d))
  return { metres: 2 * SPHERE_M * Math.asin(Math.min(1, Math.sqrt(h))), bearingDeg: turn(degrees(bearing)) }
}

/** Where one comes, walking so far along a true bearing. **Source:** Vincenty 1975, the direct way. */
export function ahead([lon, lat]: Position, bearingDeg: number, metres: number): Position {
  const [sinA, cosA] = [Math.sin(radians(bearingDeg)), Math.cos(radians(bearingDeg))]
  const tanU = (1 - F) * Math.tan(radians(lat))
  const cosU = 1 / Math.hypot(1, tanU)
  const sinU = tanU * cosU
  const sigma1 = Math.atan2(tanU, cosA)
  const sinAlpha = cosU * sinA
  const cos2Alpha = 1 - sinAlpha ** 2
  const u = (cos2Alpha * (A_M ** 2 - B_M ** 2)) / B_M ** 2
  const big = 1 + (u / 16384) * (4096 + u * (-768 + u * (320 - 175 * u)))
  const small = (u / 1024) * (256 + u * (-128 + u * (74 - 47 * u)))
  let sigma = metres / (B_M * big)
  let cos2M = 0
  for (let i = 0; i < 20; i++) {
    cos2M = Math.cos(2 * sigma1 + sigma)
    const [s, c] = [Math.sin(sigma), Math.cos(sigma)]
    const more = small * s * (cos2M + (small / 4) * (c * (-1 + 2 * cos2M ** 2) - (small / 6) * cos2M * (-3 + 4 * s ** 2) * (-3 + 4 * cos2M ** 2)))
    const next = metres / (B_M * big) + more
    if (Math.abs(next - sigma) < 1e-13) break
    sigma = next
  }
  const [s, c] = [Math.sin(sigma), Math.cos(sigma)]
  const lat2 = Math.atan2(sinU * c + cosU * s * cosA, (1 - F) * Math.hypot(sinAlpha, sinU * s - cosU * c * cosA))
  const lambda = Math.atan2(s * sinA, cosU * c - sinU * s * cosA)
  const k = (F / 16) * cos2Alpha * (4 + F * (4 - 3 * cos2Alpha))
  const l = lambda - (1 - k) * F * sinAlpha * (sigma + k * s * (cos2M + k * c * (-1 + 2 * cos2M ** 2)))
  return [lon + degrees(l), degrees(lat2)]
}

export const lengthM = (points: readonly Position[]): number => points.slice(1).reduce((sum, to, i) => sum + leg(points[i]!, to).metres, 0)

/** Of a ring, closed or not, whichever way round. */
export function areaM2(ring: readonly Position[]): number {
  let sum = 0
  ring.forEach(([lon, lat], i) => {
    const [lon2, lat2] = ring[(i + 1) % ring.length]!
    sum += radians(lon2 - lon) * (2 + Math.sin(radians(lat)) + Math.sin(radians(lat2)))
  })
  return Math.abs((sum * AUTHALIC_M ** 2) / 2)
}

const CORNERS = 72

/** A closed ring at a distance. */
export function ringAround(centre: Position, metres: number): Position[] {
  return Array.from({ length: CORNERS + 1 }, (_, i) => ahead(centre, (360 * (i % CORNERS)) / CORNERS, metres))
}

/** Between two bearings, clockwise; equal ones give the whole circle. Closed over the centre. */
export function sectorRing(centre: Position, metres: number, fromDeg: number, toDeg: number): Position[] {
  const wide = turn(toDeg - fromDeg) || 360
  const steps = Math.max(2, Math.ceil((wide * CORNERS) / 360))
  return [centre, ...Array.from({ length: steps + 1 }, (_, i) => ahead(centre, fromDeg + (wide * i) / steps, metres)), centre]
}
