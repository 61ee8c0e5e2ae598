/**
 * What the overlay needs from the ground below it. `maplibreGround.ts` is one, `plainGround.ts` the other for machines
 * without WebGL; a further one (another projection, a site plan) needs these functions and nothing else.
 */
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl'
import type { Lang } from '../i18n'
import type { Bounds, View } from './view'

export type Theme = 'night' | 'day'

export interface Ground {
  /** Whether it draws vector tiles and relief; without WebGL pictures only. */
  readonly vector: boolean
  view(): View
  flyTo(lon: number, lat: number): void
  fit(bounds: Bounds): void
  zoomBy(steps: number): void
  setTheme(theme: Theme): void
  setLang(lang: Lang): void
  /** Called in the frame in which the ground is drawn. */
  onRender(draw: () => void): void
  onClick(click: (x: number, y: number) => void): void
  onHover(hover: (x: number, y: number) => void): void
  setPointer(on: boolean): void
  /** What lies on the schematic land: a base map, heights, plans. null: nothing. */
  setParts(parts: GroundParts | null): void
  /** Draws anew and calls once in that frame, in which every canvas still holds what it drew. */
  snapshot(take: () => void): void
}

export interface GroundParts {
  /** For MapLibre. */
  sources: StyleSpecification['sources']
  layers: LayerSpecification[]
  /** For the ground without WebGL, in CSS pixels. */
  paint: (g: CanvasRenderingContext2D, view: View) => void
  /** The schematic outline's lines and names would lie over a real map. */
  covers: boolean
}

export interface GroundColours { sea: string; land: string; city: string; line: string; label: string; halo: string; grid: string }

export const GROUND_COLOURS: Record<Theme, GroundColours> = {
  night: { sea: '#12161b', land: '#1b2026', city: '#20262d', line: '#3d4751', label: '#8d99a5', halo: '#1b2026', grid: 'rgba(255,255,255,0.05)' },
  day: { sea: '#d3dade', land: '#e6e8ea', city: '#eff1f2', line: '#b3bcc4', label: '#5a6570', halo: '#eff1f2', grid: 'rgba(0,0,0,0.06)' },
}

export const LAND_URL = 'map/land.geojson'
export const CITIES_URL = 'map/shandong.geojson'
export const START = { lon: 118.6, lat: 36.4, zoom: 6.4 }
export const FONT = '"Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",sans-serif'
/** How near a unit is shown when one flies to it, and the most that "show all" zooms in. */
export const UNIT_ZOOM = 15
export const FIT_ZOOM_MAX = 15
/** Room for symbols and labels around those that are shown all. */
export const fitPaddingPx = (view: View): number => Math.min(80, 0.13 * Math.min(view.widthPx, view.heightPx))
export const ZOOM_MIN = 4
export const ZOOM_MAX = 20
