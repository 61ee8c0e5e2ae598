/**
 * Every colour of the page, in one place: the style sheets get theirs as custom properties (`cssOf`, put in by
 * vite.config.ts as `virtual:tokens.css`), canvases read the same object. test/contrast.test.ts holds each pair that
 * meets on the screen against 4.5:1 for words and 3:1 for signs.
 *
 * Grey ground, colour only where something is wrong. In `red` nothing is seen but the red channel: all that is said
 * there is said by shape and by light.
 */

export const THEMES = ['night', 'day', 'red'] as const
export type Theme = (typeof THEMES)[number]

/** Names of the custom properties, without their two dashes. */
export interface Ui {
  bg: string; panel: string; raised: string; line: string; text: string; muted: string
  /** A unit that is heard, and what is written on it; one that is not; and its edge. */
  full: string; 'on-full': string; hollow: string; edge: string
  /** Words in the colour of a danger, and fills that carry `on-fill`. */
  sos: string; 'sos-fill': string; 'sos-deep': string; 'sos-seen': string; 'sos-wash': string; 'sos-wash-selected': string; high: string; 'high-fill': string; medium: string; 'medium-fill': string
  'on-fill': string
  /** Signs of the four priorities. */
  p1: string; p2: string; p3: string; p4: string; body: string
  stale: string; lost: string; live: string; focus: string; selected: string
  /** The past: the frame of a replay, and what is written on it. */
  past: string; 'on-past': string
  drill: string; 'drill-stripe': string; 'on-drill': string
  'warn-orange': string; 'warn-yellow': string; 'on-warn-yellow': string; 'warn-blue': string
}

export const UI: Record<Theme, Ui> = {
  night: {
    bg: '#14181d', panel: '#1b2026', raised: '#262d35', line: '#39434d', text: '#eef2f5', muted: '#aab5bf',
    full: '#d7e8f5', 'on-full': '#10161c', hollow: '#262d35', edge: '#b4bec8',
    sos: '#ff6b6b', 'sos-fill': '#c8102e', 'sos-deep': '#7d0a1d', 'sos-seen': '#6b1524', 'sos-wash': '#451a28', 'sos-wash-selected': '#5c2234', high: '#ffa64d', 'high-fill': '#9a4a00', medium: '#f2d24b', 'medium-fill': '#6b5500',
    'on-fill': '#ffffff',
    p1: '#f0384f', p2: '#e27712', p3: '#c9a20a', p4: '#2aa5bd', body: '#d05aa8',
    stale: '#e3c46a', lost: '#ffa98f', live: '#7fd6a4', focus: '#6cb8ff', selected: '#2f4257',
    past: '#f5b21a', 'on-past': '#191204',
    drill: '#ffd84d', 'drill-stripe': '#ffe68a', 'on-drill': '#10161c',
    'warn-orange': '#a84c00', 'warn-yellow': '#ffd84d', 'on-warn-yellow': '#10161c', 'warn-blue': '#17548a',
  },
  day: {
    bg: '#d9dee2', panel: '#f1f3f4', raised: '#ffffff', line: '#b9c2ca', text: '#151b20', muted: '#46515b',
    full: '#1d4a73', 'on-full': '#ffffff', hollow: '#f4f6f7', edge: '#4b5660',
    sos: '#b80017', 'sos-fill': '#c8102e', 'sos-deep': '#7d0a1d', 'sos-seen': '#8f1b2d', 'sos-wash': '#e9c1c7', 'sos-wash-selected': '#dfb1bf', high: '#8a3e00', 'high-fill': '#9a4a00', medium: '#6b5500', 'medium-fill': '#6b5500',
    'on-fill': '#ffffff',
    p1: '#c8102e', p2: '#b85400', p3: '#8a6c00', p4: '#0f7287', body: '#a12a7b',
    stale: '#6b4f00', lost: '#9a2d0d', live: '#0c6337', focus: '#0a5fb0', selected: '#cfe0f0',
    past: '#ad6c00', 'on-past': '#000000',
    drill: '#ffd84d', 'drill-stripe': '#ffe68a', 'on-drill': '#10161c',
    'warn-orange': '#a84c00', 'warn-yellow': '#ffd84d', 'on-warn-yellow': '#10161c', 'warn-blue': '#17548a',
  },
  // Over the page lies a red that multiplies (style.css), so whatever else is drawn loses its green and its blue too.
  red: {
    bg: '#000000', panel: '#0a0000', raised: '#180000', line: '#5a0000', text: '#ff0000', muted: '#f20000',
    full: '#ff0000', 'on-full': '#000000', hollow: '#0a0000', edge: '#f20000',
    sos: '#ff0000', 'sos-fill': '#ff0000', 'sos-deep': '#5a0000', 'sos-seen': '#ee0000', 'sos-wash': '#180000', 'sos-wash-selected': '#200000', high: '#ff0000', 'high-fill': '#ff0000', medium: '#ff0000', 'medium-fill': '#ff0000',
    'on-fill': '#000000',
    p1: '#ff0000', p2: '#ff0000', p3: '#f20000', p4: '#f20000', body: '#f20000',
    stale: '#ff0000', lost: '#ff0000', live: '#ff0000', focus: '#ff0000', selected: '#200000',
    past: '#ff0000', 'on-past': '#000000',
    drill: '#ff0000', 'drill-stripe': '#ee0000', 'on-drill': '#000000',
    'warn-orange': '#ff0000', 'warn-yellow': '#ff0000', 'on-warn-yellow': '#000000', 'warn-blue': '#ff0000',
  },
}

export interface GroundColours { sea: string; land: string; city: string; line: string; label: string; halo: string; grid: string }

export const GROUND_COLOURS: Record<Theme, GroundColours> = {
  night: { sea: '#12161b', land: '#1b2026', city: '#20262d', line: '#3d4751', label: '#8d99a5', halo: '#1b2026', grid: 'rgba(255,255,255,0.05)' },
  day: { sea: '#d3dade', land: '#e6e8ea', city: '#eff1f2', line: '#b3bcc4', label: '#56616b', halo: '#eff1f2', grid: 'rgba(0,0,0,0.06)' },
  red: { sea: '#000000', land: '#0a0000', city: '#110000', line: '#5a0000', label: '#f20000', halo: '#000000', grid: 'rgba(255,0,0,0.12)' },
}

export interface SymbolColours { full: string; onFull: string; hollow: string; line: string; ink: string; edge: string }

export const SYMBOL_COLOURS: Record<Theme, SymbolColours> = {
  night: { full: '#d7e8f5', onFull: '#10161c', hollow: '#262d35', line: '#b4bec8', ink: '#eef2f5', edge: '#0b0e12' },
  day: { full: '#1d4a73', onFull: '#ffffff', hollow: '#f4f6f7', line: '#4b5660', ink: '#20282f', edge: '#ffffff' },
  red: { full: '#ff0000', onFull: '#000000', hollow: '#0a0000', line: '#f20000', ink: '#ff0000', edge: '#000000' },
}

/** Lines and words of the map. `trail` and `doubt` are triples for `rgba()`. */
export interface Inks { text: string; halo: string; muted: string; plate: string; trail: string; doubt: string; selected: string; chosen: string; sos: string; high: string; 'sos-plate': string; 'high-plate': string; 'on-plate': string }

export const INKS: Record<Theme, Inks> = {
  night: { text: '#eef2f5', halo: '#12161b', muted: '#c3ccd4', plate: 'rgba(24,30,36,0.92)', trail: '143,196,232', doubt: '195,214,228', selected: '#ffffff', chosen: '#6cb8ff', sos: '#ff3b3b', high: '#ff9a2e', 'sos-plate': '#c8102e', 'high-plate': '#9a4a00', 'on-plate': '#ffffff' },
  day: { text: '#151b20', halo: '#f4f6f7', muted: '#39434c', plate: 'rgba(250,251,252,0.94)', trail: '23,84,138', doubt: '40,70,98', selected: '#0b1116', chosen: '#0a5fb0', sos: '#a40014', high: '#be5a00', 'sos-plate': '#c8102e', 'high-plate': '#9a4a00', 'on-plate': '#ffffff' },
  red: { text: '#ff0000', halo: '#000000', muted: '#f20000', plate: 'rgba(10,0,0,0.94)', trail: '255,0,0', doubt: '255,0,0', selected: '#ff0000', chosen: '#ff0000', sos: '#ff0000', high: '#ff0000', 'sos-plate': '#ff0000', 'high-plate': '#ff0000', 'on-plate': '#000000' },
}

/** Zones: triples for `rgba()`, but for words and the line under the hand. */
export interface ZoneInks { danger: string; cordon: string; warning: string; safe: string; plain: string; text: string; halo: string; hand: string }

export const ZONE_INKS: Record<Theme, ZoneInks> = {
  night: { danger: '255,106,90', cordon: '255,166,77', warning: '226,196,106', safe: '99,194,125', plain: '150,172,192', text: '#dfe6ec', halo: '#12161b', hand: '#6cb8ff' },
  day: { danger: '192,0,24', cordon: '148,67,0', warning: '115,86,0', safe: '20,110,55', plain: '66,88,108', text: '#1d262d', halo: '#f4f6f7', hand: '#0a5fb0' },
  red: { danger: '255,0,0', cordon: '255,0,0', warning: '255,0,0', safe: '170,0,0', plain: '170,0,0', text: '#ff0000', halo: '#000000', hand: '#ff0000' },
}

/** Of a curve: its line and the band between least and greatest. */
export const SPARK_INKS: Record<Theme, readonly [string, string]> = {
  night: ['#9fc9e6', 'rgba(159,201,230,0.25)'],
  day: ['#1d5c92', 'rgba(29,92,146,0.2)'],
  red: ['#ff0000', 'rgba(255,0,0,0.25)'],
}

/** The style sheet of the custom properties: night until the page says otherwise. */
export function cssOf(): string {
  const block = (theme: Theme): string => Object.entries(UI[theme]).map(([name, colour]) => `--${name}: ${colour}`).join('; ')
  const scheme = (theme: Theme): string => (theme === 'day' ? 'light' : 'dark')
  return THEMES.map((theme) => `${theme === 'night' ? ':root' : `:root[data-theme='${theme}']`} { ${block(theme)}; color-scheme: ${scheme(theme)} }`).join('\n')
}
