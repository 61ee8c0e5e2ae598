/**
 * What lies on the schematic land, for either ground: the chosen base map, relief and contours of a map of heights, plans of the
 * levels that are switched on.
 *
 * Enters: signals. Leaves: `GroundParts`. Called by `ground/mount.ts` in an effect.
 */
import { addProtocol, type LayerSpecification, type StyleSpecification } from 'maplibre-gl'
import type { Plan } from '../feed/ground'
import { isOff, opacityOf, plans, prefs } from '../app/ground'
import { theme } from '../app/theme'
import { lang } from '../i18n'
import type { GroundParts } from '../map/ground'
import { mercatorX, mercatorY, screenX, screenY, type View } from '../map/view'
import { isBase, maps, type MapInfo } from './maps'
import { hubUrl, pictureOf, tileUrl } from './tiles'
import { vectorLayers } from './vector'
import { signal } from '@preact/signals'

type Sources = StyleSpecification['sources']

export const baseMap = (): MapInfo | null => maps.value.find((map) => map.id === prefs.value.base && isBase(map)) ?? null
export const demMap = (): MapInfo | null => maps.value.find((map) => map.kind === 'dem') ?? null
export const shownPlans = (): Plan[] => plans.value.filter((plan) => plan.placed !== null && !isOff(`plan:${plan.id}`))
export const planUrl = (plan: Plan): string => new URL(`api/v1/plans/${plan.id}/image`, document.baseURI).href

/** The address of contour tiles, once their library is there. */
const contourUrl = signal<{ of: string; url: string } | null>(null)
let contourAsked = ''

/** Contours are made in the browser, of the same tiles as the relief; an archive cannot be read by that library. */
function contours(dem: MapInfo): string | null {
  if (dem.form === 'pmtiles') return null
  if (contourUrl.value?.of === dem.id) return contourUrl.value.url
  if (contourAsked === dem.id) return null
  contourAsked = dem.id
  void import('./contour').then(({ contour }) => {
    const source = new contour.DemSource({ url: hubUrl(dem), encoding: dem.encoding, maxzoom: dem.max_zoom, worker: true, id: `dem-${dem.id}` })
    source.setupMaplibre({ addProtocol } as never)
    const url = source.contourProtocolUrl({
      thresholds: { 9: [100, 500], 11: [50, 250], 12: [20, 100], 14: [10, 50], 15: [5, 25] }, elevationKey: 'ele', levelKey: 'level', contourLayer: 'contours',
    })
    contourUrl.value = { of: dem.id, url }
  })
  return null
}

/** null when there is nothing: the schematic outline alone. `vector`: what the ground can draw. */
export function partsNow(vector: boolean): GroundParts | null {
  const chosen = baseMap()
  const base = chosen?.kind === 'vector' && !vector ? null : chosen
  const [dem, on] = [demMap(), shownPlans()]
  const sources: Sources = {}
  const layers: LayerSpecification[] = []
  if (base) addBase(base, sources, layers)
  if (dem) addHeights(dem, sources, layers)
  for (const plan of on) addPlan(plan, sources, layers)
  if (layers.length === 0) return null
  return { sources, layers, covers: base !== null, paint: (g, view) => paint(g, view, base, on) }
}

function addBase(map: MapInfo, sources: Sources, layers: LayerSpecification[]): void {
  const common = { tiles: [tileUrl(map)], minzoom: map.min_zoom, maxzoom: map.max_zoom, bounds: map.bounds }
  if (map.kind === 'vector') {
    sources[`base-${map.id}`] = { type: 'vector', ...common }
    layers.push(...vectorLayers(`base-${map.id}`, theme.value, lang.value, opacityOf('base')))
    return
  }
  sources[`base-${map.id}`] = { type: 'raster', tileSize: map.tile_px, ...common }
  // A bright photograph at night would outshine the units; greyed it still shows the ground.
  const night = theme.value === 'night' ? { 'raster-brightness-max': 0.62, 'raster-saturation': -0.55 } : { 'raster-saturation': -0.35 }
  layers.push({ id: 'base', type: 'raster', source: `base-${map.id}`, paint: { 'raster-opacity': opacityOf('base'), 'raster-fade-duration': 0, ...night } })
}

function addHeights(map: MapInfo, sources: Sources, layers: LayerSpecification[]): void {
  const night = theme.value === 'night'
  if (prefs.value.relief) {
    sources.dem = { type: 'raster-dem', tiles: [tileUrl(map)], tileSize: map.tile_px, encoding: map.encoding, minzoom: map.min_zoom, maxzoom: map.max_zoom, bounds: map.bounds }
    layers.push({
      id: 'relief', type: 'hillshade', source: 'dem',
      paint: {
        'hillshade-exaggeration': 0.45 * opacityOf('relief'), 'hillshade-shadow-color': night ? '#05080b' : '#5a646d',
        'hillshade-highlight-color': night ? '#55616c' : '#ffffff', 'hillshade-accent-color': night ? '#0b0f13' : '#6d7780',
      },
    })
  }
  const url = prefs.value.contours ? contours(map) : null
  if (!url) return
  sources.contours = { type: 'vector', tiles: [url], maxzoom: 15 }
  const ink = night ? '#7d8a96' : '#79848d'
  layers.push(
    {
      id: 'contour', type: 'line', source: 'contours', 'source-layer': 'contours',
      paint: { 'line-color': ink, 'line-opacity': 0.6 * opacityOf('relief'), 'line-width': ['match', ['get', 'level'], 1, 1.2, 0.5] },
    },
    {
      id: 'contour-name', type: 'symbol', source: 'contours', 'source-layer': 'contours', filter: ['>', ['get', 'level'], 0],
      layout: { 'symbol-placement': 'line', 'text-size': 12, 'text-field': ['concat', ['number-format', ['get', 'ele'], {}], ' m'] },
      paint: { 'text-color': ink, 'text-halo-color': night ? '#161b20' : '#f1f3f4', 'text-halo-width': 1.2 },
    },
  )
}

function addPlan(plan: Plan, sources: Sources, layers: LayerSpecification[]): void {
  const [a, b, c, d] = plan.placed!.corners
  sources[`plan-${plan.id}`] = { type: 'image', url: planUrl(plan), coordinates: [a!, b!, c!, d!] }
  // White paper at night would blind the eye for everything else.
  const night = theme.value === 'night' ? { 'raster-brightness-max': 0.7 } : {}
  layers.push({ id: `plan-${plan.id}`, type: 'raster', source: `plan-${plan.id}`, paint: { 'raster-opacity': opacityOf(`plan:${plan.id}`), 'raster-fade-duration': 0, ...night } })
}

// --- without WebGL: pictures only

const PICTURES_MAX = 300
const pictures = new Map<string, ImageBitmap | HTMLImageElement | null>()
/** Counts up when a picture came, so that the plain ground draws again. */
export const arrived = signal(0)

function picture(key: string, get: () => Promise<ImageBitmap | HTMLImageElement | null>): ImageBitmap | HTMLImageElement | null {
  const had = pictures.get(key)
  if (had !== undefined) return had
  pictures.set(key, null)
  if (pictures.size > PICTURES_MAX) pictures.delete(pictures.keys().next().value!)
  get().then((came) => {
    pictures.set(key, came)
    if (came) arrived.value += 1
  }, () => setTimeout(() => pictures.delete(key), 10_000))
  return null
}

async function loaded(url: string): Promise<HTMLImageElement> {
  const image = new Image()
  image.src = url
  await image.decode()
  return image
}

function paint(g: CanvasRenderingContext2D, view: View, base: MapInfo | null, on: Plan[]): void {
  if (base?.kind === 'raster') paintTiles(g, view, base)
  for (const plan of on) {
    const image = picture(`plan ${plan.id}`, () => loaded(planUrl(plan)))
    if (!image) continue
    const at = plan.placed!.corners.map(([lon, lat]) => [screenX(view, mercatorX(lon)), screenY(view, mercatorY(lat))] as const)
    const [o, r, , d] = at as [readonly [number, number], readonly [number, number], unknown, readonly [number, number]]
    g.save()
    g.globalAlpha = opacityOf(`plan:${plan.id}`)
    if (theme.peek() === 'night') g.filter = 'brightness(0.7)'
    g.transform((r[0] - o[0]) / plan.width_px, (r[1] - o[1]) / plan.width_px, (d[0] - o[0]) / plan.height_px, (d[1] - o[1]) / plan.height_px, o[0], o[1])
    g.drawImage(image, 0, 0, plan.width_px, plan.height_px)
    g.restore()
  }
}

function paintTiles(g: CanvasRenderingContext2D, view: View, map: MapInfo): void {
  const z = Math.max(map.min_zoom, Math.min(map.max_zoom, Math.round(Math.log2(view.worldPx / map.tile_px))))
  const side = 2 ** z
  const px = view.worldPx / side
  const from = (centre: number, halfPx: number): number => Math.max(0, Math.floor((centre - halfPx / view.worldPx) * side))
  const to = (centre: number, halfPx: number): number => Math.min(side - 1, Math.floor((centre + halfPx / view.worldPx) * side))
  g.save()
  g.globalAlpha = opacityOf('base')
  g.filter = theme.peek() === 'night' ? 'brightness(0.62) saturate(0.45)' : 'saturate(0.65)'
  for (let x = from(view.cx, view.widthPx / 2); x <= to(view.cx, view.widthPx / 2); x++) {
    for (let y = from(view.cy, view.heightPx / 2); y <= to(view.cy, view.heightPx / 2); y++) {
      const image = picture(`${map.id}/${z}/${x}/${y}`, () => pictureOf(map, z, x, y))
      if (image) g.drawImage(image, screenX(view, x / side), screenY(view, y / side), px + 0.5, px + 0.5)
    }
  }
  g.restore()
}
