/** The ground by MapLibre: needs WebGL 2. Always north up and flat, so that a glance needs no thought. */
import { Map as MapLibre, setWorkerUrl, type LayerSpecification, type StyleSpecification } from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url'
import 'maplibre-gl/dist/maplibre-gl.css'
import type { Lang } from '../i18n'
import { CITIES_URL, FIT_ZOOM_MAX, fitPaddingPx, FONT, GROUND_COLOURS, LAND_URL, START, UNIT_ZOOM, ZOOM_MAX, ZOOM_MIN, type Ground, type GroundParts } from './ground'
import { type GroundColours, type Theme } from '../tokens'
import { mercatorX, mercatorY, TILE_PX, type Bounds, type View } from './view'

setWorkerUrl(workerUrl)

const absolute = (path: string): string => new URL(path, document.baseURI).href
const nameOf = (lang: Lang): ['get', string] => ['get', lang === 'zh' ? 'name' : 'en']

function style(theme: Theme, lang: Lang, parts: GroundParts | null): StyleSpecification {
  const c = GROUND_COLOURS[theme]
  return {
    version: 8,
    sources: {
      land: { type: 'geojson', data: absolute(LAND_URL) },
      cities: { type: 'geojson', data: absolute(CITIES_URL) },
      ...parts?.sources,
    },
    layers: [
      { id: 'sea', type: 'background', paint: { 'background-color': c.sea } },
      { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': c.land } },
      { id: 'city', type: 'fill', source: 'cities', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': c.city } },
      ...(parts?.layers ?? []),
      ...(parts?.covers ? [] : outline(c, lang)),
    ],
  }
}

/** The sixteen cities' edges and names. */
function outline(c: GroundColours, lang: Lang): LayerSpecification[] {
  return [
    {
      id: 'line', type: 'line', source: 'cities', filter: ['==', ['geometry-type'], 'Polygon'],
      paint: { 'line-color': c.line, 'line-width': ['interpolate', ['linear'], ['zoom'], 5, 0.7, 10, 1.6] },
    },
    {
      id: 'label', type: 'symbol', source: 'cities', filter: ['==', ['geometry-type'], 'Point'],
      layout: { 'text-field': nameOf(lang), 'text-size': 15, 'text-padding': 6 },
      paint: { 'text-color': c.label, 'text-halo-color': c.halo, 'text-halo-width': 1.4 },
    },
  ]
}

export class MaplibreGround implements Ground {
  readonly vector = true
  private readonly map: MapLibre
  private theme: Theme
  private lang: Lang
  /** A change of size, or of the place that is followed, is told as a move of the hand, which it is not. */
  private quiet = false
  private parts: GroundParts | null = null

  constructor(container: HTMLElement, theme: Theme, lang: Lang) {
    this.theme = theme
    this.lang = lang
    this.map = new MapLibre({
      container,
      style: style(theme, lang, null),
      center: [START.lon, START.lat],
      zoom: START.zoom,
      minZoom: ZOOM_MIN,
      maxZoom: ZOOM_MAX,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      boxZoom: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      localIdeographFontFamily: FONT,
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disableRotation()
    this.map.getCanvas().tabIndex = -1
    // A tile that does not come is told beside the map (`ground/`), not in the console of each screen.
    this.map.on('error', () => undefined)
  }

  view(): View {
    const { lng, lat } = this.map.getCenter()
    const box = this.map.getContainer()
    return {
      cx: mercatorX(lng), cy: mercatorY(lat), worldPx: TILE_PX * 2 ** this.map.getZoom(),
      widthPx: box.clientWidth, heightPx: box.clientHeight,
    }
  }

  flyTo(lon: number, lat: number): void {
    // A flight is planned for the size at its start, and opening the drawer has just changed it.
    this.map.resize()
    this.map.flyTo({ center: [lon, lat], zoom: Math.max(UNIT_ZOOM, this.map.getZoom()), duration: 600 })
  }

  centreOn(lon: number, lat: number): void {
    this.quietly(() => this.map.jumpTo({ center: [lon, lat] }))
  }

  fit({ west, south, east, north }: Bounds): void {
    this.map.resize()
    this.map.fitBounds([west, south, east, north], { padding: fitPaddingPx(this.view()), maxZoom: FIT_ZOOM_MAX, duration: 0 })
  }

  zoomBy(steps: number): void {
    this.map.zoomTo(this.map.getZoom() + steps, { duration: 150 })
  }

  setTheme(theme: Theme): void {
    if (theme === this.theme) return
    this.theme = theme
    this.restyle()
  }

  setLang(lang: Lang): void {
    if (lang === this.lang) return
    this.lang = lang
    this.restyle()
  }

  setParts(parts: GroundParts | null): void {
    this.parts = parts
    this.restyle()
  }

  private restyle(): void {
    this.map.setStyle(style(this.theme, this.lang, this.parts))
  }

  snapshot(take: () => void): void {
    this.map.once('render', take)
    this.map.triggerRepaint()
  }

  onRender(draw: () => void): void {
    this.map.on('render', draw)
    this.map.on('resize', draw)
  }

  onClick(click: (x: number, y: number, more: boolean) => void): void {
    this.map.on('click', (event) => click(event.point.x, event.point.y, event.originalEvent.ctrlKey || event.originalEvent.metaKey))
  }

  onPan(panned: () => void): void {
    this.map.on('dragstart', panned)
  }

  onMoving(moving: (is: boolean) => void): void {
    for (const is of [true, false]) this.map.on(is ? 'movestart' : 'moveend', () => !this.quiet && moving(is))
  }

  setCoarse(coarse: boolean): void {
    const ratio = coarse ? devicePixelRatio / 2 : devicePixelRatio
    if (this.map.getPixelRatio() !== ratio) this.quietly(() => this.map.setPixelRatio(ratio))
  }

  private quietly(change: () => void): void {
    this.quiet = true
    change()
    this.quiet = false
  }

  onHover(hover: (x: number, y: number) => void): void {
    this.map.on('mousemove', (event) => hover(event.point.x, event.point.y))
  }

  setPointer(on: boolean): void {
    this.map.getCanvas().style.cursor = on ? 'pointer' : ''
  }
}
