/** Numbers as a person reads them; the same in every language, in the forms that the reader has set. */
import { formats } from './formats'

const two = (n: number): string => String(n).padStart(2, '0')

/** 45 -> "45 s", 192 -> "3:12", 7510 -> "2:05:10", 273600 -> "3 d 04 h"; NaN -> "—". */
export function ageText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '—'
  const s = Math.floor(Math.max(0, seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`
  if (s < 86_400) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
  return `${Math.floor(s / 86_400)} d ${two(Math.floor(s / 3600) % 24)} h`
}

const METRES_A_MILE = 1852

/** 9.25 -> "9 m", 1840 -> "1.8 km", or "0.99 nmi" where that is set. */
export function metresText(metres: number): string {
  if (!Number.isFinite(metres)) return '—'
  if (formats.value.length === 'nautical' && metres >= METRES_A_MILE / 10) return `${(metres / METRES_A_MILE).toFixed(metres < 10 * METRES_A_MILE ? 2 : 0)} nmi`
  if (metres < 1000) return `${metres < 10 ? Number(metres.toFixed(1)) : Math.round(metres)} m`
  return `${(metres / 1000).toFixed(metres < 10_000 ? 1 : 0)} km`
}

/** The same with the day, where it is another than that of `now`: "11-28 14:03:22". */
export function dayClockText(t: number, now: number): string {
  const [d, today] = [new Date(t), new Date(now)]
  return d.toDateString() === today.toDateString() ? clockText(t) : `${two(d.getMonth() + 1)}-${two(d.getDate())} ${clockText(t)}`
}

/** 1.4 m/s, or 2.7 kn where that is set. */
export function speedText(mps: number): string {
  return formats.value.length === 'nautical' ? `${((mps * 3600) / METRES_A_MILE).toFixed(1)} kn` : `${mps.toFixed(1)} m/s`
}

/** Hub time as the time of day of the reader's time zone, or of UTC with a Z where that is set. */
export function clockText(t: number): string {
  if (!Number.isFinite(t)) return '--:--:--'
  const d = new Date(t)
  if (formats.value.hours === 'utc') return `${d.toISOString().slice(11, 19)}Z`
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

export function positionText(lat: number, lon: number): string {
  const side = (value: number, plus: string, minus: string): string => `${Math.abs(value).toFixed(6)}° ${value < 0 ? minus : plus}`
  return `${side(lat, 'N', 'S')}, ${side(lon, 'E', 'W')}`
}

/** A value of the catalog with its unit. Crews know cylinders in MPa: 21400 kPa -> "21.4 MPa". */
export function measureText(value: number, unit: string, perMinute: string): string {
  if (unit === 'deg') return `${Number(value.toFixed(7))}°`
  if (unit === 'kPa') return `${(value / 1000).toFixed(1)} MPa`
  const text = String(Number(value.toFixed(Math.abs(value) < 100 ? 2 : 1)))
  if (unit === '1/min') return `${text} ${perMinute}`
  return unit && unit !== '1' ? `${text} ${unit}` : text
}
