/**
 * What lies under and beside the units: what the hub told of it, what this person chose to see, and where the map's tools hang.
 *
 * Small, because it is part of the first load; tools, base maps and drawing are loaded after the first picture (`ground/`).
 * Bounds: the hub's own (2,000 drawings, 200 plans).
 */
import { signal } from '@preact/signals'
import type { Drawing, GroundMessage, Plan } from '../feed/ground'
import type { Position } from '../feed/safety'
import type { Ground } from '../map/ground'
import { placeText as placeWords, type AngleStyle, type PlaceStyle } from '../laws/places'

const REMEMBERED = 'zhantu.map'

/** What a person chose; kept in this browser. */
export interface Prefs {
  /** id of the base map; '' is the schematic outline. */
  base: string
  relief: boolean
  contours: boolean
  grid: boolean
  place: PlaceStyle
  angle: AngleStyle
  /** Of a layer by its name; 1 where it is not said. */
  opacity: Record<string, number>
  /** Layers that are switched off, by name. */
  off: string[]
}
const FIRST: Prefs = { base: '', relief: true, contours: true, grid: false, place: 'decimal', angle: 'deg', opacity: {}, off: [] }

function remembered(): Prefs {
  try {
    const said: unknown = JSON.parse(localStorage.getItem(REMEMBERED) ?? '{}')
    return { ...FIRST, ...(typeof said === 'object' ? said : {}) }
  } catch {
    return FIRST
  }
}

export const prefs = signal<Prefs>(remembered())

export function setPrefs(some: Partial<Prefs>): void {
  prefs.value = { ...prefs.peek(), ...some }
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(prefs.peek()))
  } catch {
    // A browser that forbids storage forgets; nothing else is lost.
  }
}

export const isOff = (layer: string): boolean => prefs.value.off.includes(layer)
export const opacityOf = (layer: string): number => prefs.value.opacity[layer] ?? 1
export const placeText = (lat: number, lon: number): string => placeWords(lat, lon, prefs.value.place)

export const plans = signal<Plan[]>([])
export const drawings = signal<Drawing[]>([])
/** What is said of the map that is shown: where it comes from. null: the schematic outline. */
export const mapNote = signal<string | null>(null)

export function clearGround(): void {
  plans.value = []
  drawings.value = drawings.peek().filter(({ rev }) => rev === 0)
}

const merged = <T extends { id: string }>(list: T[], told: T[], gone: string[]): T[] => {
  const ids = new Set([...told.map(({ id }) => id), ...gone])
  return [...list.filter(({ id }) => !ids.has(id)), ...told]
}

/** From the feed, or as the answer to what this person did. A drawing never goes back behind what is known. */
export function takeGround(message: GroundMessage): void {
  if (message.k === 'plan') plans.value = merged(plans.peek(), message.plans, message.gone)
  else {
    const known = new Map(drawings.peek().map(({ id, rev }) => [id, rev]))
    drawings.value = merged(drawings.peek(), message.drawings.filter(({ id, rev }) => rev >= (known.get(id) ?? 0)), message.gone)
  }
}

export const TABS = ['layers', 'measure', 'draw', 'plans', 'export'] as const
export type MapTab = (typeof TABS)[number]
/** The window of the map's tools. */
export const mapTab = signal<MapTab | null>(null)

export function toggleMapWindow(): void {
  mapTab.value = mapTab.peek() === null ? 'layers' : null
}

/** What the tools hang into the map once they are loaded. `click` says whether it took the click. */
export const hooks: { click: (at: Position, x: number, y: number) => boolean; hover: (at: Position | null) => void; busy: () => boolean } = {
  click: () => false, hover: () => undefined, busy: () => false,
}

export type Mount = (ground: Ground, box: HTMLElement) => () => void
