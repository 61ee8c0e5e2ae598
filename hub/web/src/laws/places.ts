/** Places, distances, areas and bearings in words, as a person has chosen. Pure. */
import { mgrsOf } from './utm'
import { positionText } from './words'

export const PLACE_STYLES = ['decimal', 'dms', 'mgrs'] as const
export type PlaceStyle = (typeof PLACE_STYLES)[number]
export type AngleStyle = 'deg' | 'mil6000' | 'mil6400'

/** 36.651234, 117.0 → `36°39′04.44″N 117°00′00.00″E`. A second's 60.00 never shows. */
export function dmsText(lat: number, lon: number): string {
  const one = (value: number, plus: string, minus: string, width: number): string => {
    const all = Math.round(Math.abs(value) * 360_000)
    const [d, m, s] = [Math.floor(all / 360_000), Math.floor(all / 6_000) % 60, (all % 6_000) / 100]
    return `${String(d).padStart(width, '0')}°${String(m).padStart(2, '0')}′${s.toFixed(2).padStart(5, '0')}″${value < 0 ? minus : plus}`
  }
  return `${one(lat, 'N', 'S', 2)} ${one(lon, 'E', 'W', 3)}`
}

/** MGRS falls back to degrees where there is none. */
export function placeText(lat: number, lon: number, style: PlaceStyle): string {
  if (style === 'dms') return dmsText(lat, lon)
  return (style === 'mgrs' && mgrsOf(lon, lat)) || positionText(lat, lon)
}

/** True bearing: `047.3°`, or mils: of 6000 in a circle (密位, as `07-88`) or 6400. */
export function angleText(deg: number, style: AngleStyle): string {
  if (style === 'deg') {
    const tenths = Math.round(deg * 10) % 3600
    return `${(tenths / 10).toFixed(1).padStart(5, '0')}°`
  }
  const whole = style === 'mil6000' ? 6000 : 6400
  const mils = Math.round((deg / 360) * whole) % whole
  const four = String(mils).padStart(4, '0')
  return style === 'mil6000' ? `${four.slice(0, 2)}-${four.slice(2)}` : `${four} mil`
}

/** Three or four digits, as a measuring person needs: `847 m`, `1.284 km`, `23.41 km`. */
export function distanceText(metres: number): string {
  if (metres < 1_000) return `${metres < 100 ? metres.toFixed(1) : metres.toFixed(0)} m`
  return `${(metres / 1_000).toFixed(metres < 10_000 ? 3 : metres < 100_000 ? 2 : 1)} km`
}

export function areaText(m2: number): string {
  if (m2 < 100_000) return `${m2.toFixed(m2 < 1_000 ? 1 : 0)} m²`
  return `${(m2 / 1e6).toFixed(m2 < 1e8 ? 3 : 1)} km²`
}

/** A round length that is at most so long, for a scale bar: 1, 2 or 5 times a power of ten. */
export function roundLength(metresMax: number): number {
  const power = 10 ** Math.floor(Math.log10(metresMax))
  return [5, 2, 1].map((n) => n * power).find((n) => n <= metresMax) ?? power
}
