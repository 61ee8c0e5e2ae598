/**
 * Our own signs: a frame for the kind, a glyph for the branch, a fill for the contact. Drawn here once as paths and
 * used by the atlas of the map and by the lists, so that the same sign means the same thing everywhere.
 *
 * Full = heard, half = stale, hollow and dashed = lost; hollow within a dotted line = reported by somebody else. Shape carries the state; colour only repeats it.
 */
import type { Branch, Kind } from '../feed/messages'

export interface Glyph { d: string; filled: boolean }

/** In a box of 24, centre 12, 12. */
export const BRANCH_GLYPHS: Record<Branch, Glyph> = {
  fire: { filled: true, d: 'M12.5 3.5c.6 3.8 5.2 5.4 5.2 10.3a5.7 5.7 0 0 1-11.4 0c0-2.3 1.1-3.9 2.5-5.3.2 1.8.9 2.6 1.7 2.9-.4-2.8.2-5.6 2-7.9z' },
  medical: { filled: true, d: 'M9.7 4.5h4.6v5.2h5.2v4.6h-5.2v5.2H9.7v-5.2H4.5V9.7h5.2z' },
  mine: { filled: false, d: 'M4.5 10.5c4-5 11-5 15 0M12 7v13' },
  flood: { filled: false, d: 'M4 9.5c2.7-3 5.3-3 8 0s5.3 3 8 0M4 15.5c2.7-3 5.3-3 8 0s5.3 3 8 0' },
  hazmat: { filled: false, d: 'M10 4.5v5.5L5.5 18.5h13L14 10V4.5M8.5 4.5h7' },
  police: { filled: true, d: 'M12 3.5l2.5 5.6 6.1.7-4.5 4.1 1.2 6-5.3-3-5.3 3 1.2-6-4.5-4.1 6.1-.7z' },
  command: { filled: false, d: 'M7.5 20V4.5l10 4-10 4' },
  other: { filled: true, d: 'M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z' },
}

/** In a box of 36, centre 18, 18. */
export const KIND_FRAMES: Record<Kind, string> = {
  person: 'M18 4.5a13.5 13.5 0 1 1 0 27 13.5 13.5 0 0 1 0-27z',
  vehicle: 'M6.5 7h23a3 3 0 0 1 3 3v16a3 3 0 0 1-3 3h-23a3 3 0 0 1-3-3V10a3 3 0 0 1 3-3z',
  drone: 'M18 2.5L33.5 18 18 33.5 2.5 18z',
  vessel: 'M4 8h28l-4.5 15c-2 6-5 8.5-9.5 8.5S10.5 29 8.5 23z',
  base: 'M18 3l14.5 12v17h-29V15z',
}

/** Of a reported unit, the inner line within the dotted outer one. */
export const REPORTED_SCALE = 0.52

/** A regular octagon of radius `r` around the origin. */
export function octagon(r: number): [number, number][] {
  return Array.from({ length: 8 }, (_, i) => {
    const a = (Math.PI / 8) * (2 * i + 1)
    return [r * Math.cos(a), r * Math.sin(a)]
  })
}
