/**
 * What the overlay needs from the ground below it. `maplibreGround.ts` is one, `plainGround.ts` the other for machines
 * without WebGL; a further one (another projection, a site plan) needs these functions and nothing else.
 */
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl'
import type { Lang } from '../i18n'
import type { Theme } from '../tokens'
import type { Bounds, View } from './view'

export { GROUND_COLOURS } from '../tokens'
export type { Theme }

export interface Ground {
  /** Whether it draws vector tiles and relief; without WebGL pictures only. */
  readonly vector: boolean
  view(): View
  flyTo(lon: number, lat: number): void
  /** At once, at the zoom that is. */
  centreOn(lon: number, lat: number): void
  fit(bounds: Bounds): void
  zoomBy(steps: number): void
  setTheme(theme: Theme): void
  setLang(lang: Lang): void
  /** Called in the frame in which the ground is drawn. */
  onRender(draw: () => void): void
  /** `more`: with the control or command key, one more to those that were picked. */
  onClick(click: (x: number, y: number, more: boolean) => void): void
  onHover(hover: (x: number, y: number) => void): void
  /** A hand pulls the ground. */
  onPan(panned: () => void): void
  /** It begins to move, and has come to rest. */
  onMoving(moving: (is: boolean) => void): void
  /** Half the pixels while it moves, for a machine that cannot draw them in time. */
  setCoarse(coarse: boolean): void
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
