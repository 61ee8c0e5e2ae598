/** The ground in a 2D canvas, for machines without WebGL: the same outlines, names, pan and zoom. */
import type { Lang } from '../i18n'
import { CITIES_URL, FIT_ZOOM_MAX, fitPaddingPx, FONT, GROUND_COLOURS, LAND_URL, START, UNIT_ZOOM, ZOOM_MAX, ZOOM_MIN, type Ground, type GroundParts, type Theme } from './ground'
import { mercatorX, mercatorY, screenX, screenY, TILE_PX, type Bounds, type View } from './view'

interface Shape { rings: Float64Array[] }
interface Name { x: number; y: number; name: string; en: string }
interface Feature {
  properties: { name?: string; en?: string }
  geometry: { type: 'MultiPolygon'; coordinates: [number, number][][][] } | { type: 'Point'; coordinates: [number, number] }
}

const CLICK_SLOP_PX = 5

export class PlainGround implements Ground {
  readonly vector = false
  private readonly canvas = document.createElement('canvas')
  private land: Shape[] = []
  private cities: Shape[] = []
  private names: Name[] = []
  private zoom = START.zoom
  private cx = mercatorX(START.lon)
  private cy = mercatorY(START.lat)
  private draws: (() => void)[] = []
  private clicks: ((x: number, y: number, more: boolean) => void)[] = []
  private pans: (() => void)[] = []
  private hovers: ((x: number, y: number) => void)[] = []
  private fingers = new Map<number, { x: number; y: number }>()
  private movedPx = 0
  private waiting = false
  private parts: GroundParts | null = null
  private takes: (() => void)[] = []

  constructor(private readonly container: HTMLElement, private theme: Theme, private lang: Lang) {
    this.canvas.className = 'plain-ground'
    container.append(this.canvas)
    new ResizeObserver(() => this.changed()).observe(container)
    this.listen()
    void this.load()
  }

  view(): View {
    const { clientWidth, clientHeight } = this.container
    return { cx: this.cx, cy: this.cy, worldPx: TILE_PX * 2 ** this.zoom, widthPx: clientWidth, heightPx: clientHeight }
  }

  flyTo(lon: number, lat: number): void {
    this.cx = mercatorX(lon)
    this.cy = mercatorY(lat)
    this.zoom = Math.max(UNIT_ZOOM, this.zoom)
    this.changed()
  }

  centreOn(lon: number, lat: number): void {
    this.cx = mercatorX(lon)
    this.cy = mercatorY(lat)
    this.changed()
  }

  fit({ west, south, east, north }: Bounds): void {
    const view = this.view()
    const [widthPx, heightPx] = [view.widthPx - 2 * fitPaddingPx(view), view.heightPx - 2 * fitPaddingPx(view)]
    const [x0, x1, y0, y1] = [mercatorX(west), mercatorX(east), mercatorY(north), mercatorY(south)]
    this.cx = (x0 + x1) / 2
    this.cy = (y0 + y1) / 2
    const fits = Math.min(widthPx / (x1 - x0), heightPx / (y1 - y0)) / TILE_PX
    this.zoom = Math.min(FIT_ZOOM_MAX, Math.max(ZOOM_MIN, Math.log2(fits)))
    this.changed()
  }

  zoomBy(steps: number): void {
    const { widthPx, heightPx } = this.view()
    this.zoomAt(steps, widthPx / 2, heightPx / 2)
  }

  setTheme(theme: Theme): void {
    this.theme = theme
    this.changed()
  }

  setLang(lang: Lang): void {
    this.lang = lang
    this.changed()
  }

  onRender(draw: () => void): void {
    this.draws.push(draw)
  }

  setParts(parts: GroundParts | null): void {
    this.parts = parts
    this.changed()
  }

  snapshot(take: () => void): void {
    this.takes.push(take)
    this.changed()
  }

  onClick(click: (x: number, y: number, more: boolean) => void): void {
    this.clicks.push(click)
  }

  onPan(panned: () => void): void {
    this.pans.push(panned)
  }

  /** It has no frames of its own that could be late. */
  onMoving(): void {}

  setCoarse(): void {}

  onHover(hover: (x: number, y: number) => void): void {
    this.hovers.push(hover)
  }

  setPointer(on: boolean): void {
    this.canvas.style.cursor = on ? 'pointer' : 'grab'
  }

  private async load(): Promise<void> {
    const get = async (url: string): Promise<Feature[]> => (await (await fetch(url)).json()).features
    const shapes = (features: Feature[]): Shape[] =>
      features.flatMap(({ geometry }) =>
        geometry.type === 'MultiPolygon' ? geometry.coordinates.map((polygon) => ({ rings: polygon.map(ringOf) })) : [],
      )
    this.land = shapes(await get(LAND_URL))
    const cities = await get(CITIES_URL)
    this.cities = shapes(cities)
    this.names = cities.flatMap(({ geometry, properties }) =>
      geometry.type === 'Point'
        ? [{ x: mercatorX(geometry.coordinates[0]), y: mercatorY(geometry.coordinates[1]), name: properties.name ?? '', en: properties.en ?? '' }]
        : [],
    )
    this.changed()
  }

  private zoomAt(steps: number, x: number, y: number): void {
    const before = this.view()
    this.zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, this.zoom + steps))
    const after = this.view()
    this.cx += (x - before.widthPx / 2) * (1 / before.worldPx - 1 / after.worldPx)
    this.cy += (y - before.heightPx / 2) * (1 / before.worldPx - 1 / after.worldPx)
    this.changed()
  }

  private listen(): void {
    const at = (event: PointerEvent | WheelEvent): { x: number; y: number } => {
      const box = this.canvas.getBoundingClientRect()
      return { x: event.clientX - box.left, y: event.clientY - box.top }
    }
    this.canvas.addEventListener('wheel', (event) => {
      event.preventDefault()
      const { x, y } = at(event)
      this.zoomAt(-event.deltaY / 300, x, y)
    }, { passive: false })
    this.canvas.addEventListener('pointerdown', (event) => {
      this.canvas.setPointerCapture(event.pointerId)
      if (this.fingers.size === 0) this.movedPx = 0
      this.fingers.set(event.pointerId, at(event))
    })
    this.canvas.addEventListener('pointermove', (event) => this.moved(event.pointerId, at(event)))
    const up = (event: PointerEvent): void => {
      const point = at(event)
      const clicked = this.fingers.size === 1 && this.movedPx < CLICK_SLOP_PX
      if (this.fingers.delete(event.pointerId) && clicked && event.type === 'pointerup') {
        for (const click of this.clicks) click(point.x, point.y, event.ctrlKey || event.metaKey)
      }
    }
    this.canvas.addEventListener('pointerup', up)
    this.canvas.addEventListener('pointercancel', up)
  }

  private moved(id: number, to: { x: number; y: number }): void {
    const from = this.fingers.get(id)
    if (!from) {
      for (const hover of this.hovers) hover(to.x, to.y)
      return
    }
    const other = [...this.fingers].find(([key]) => key !== id)?.[1]
    this.movedPx += Math.abs(to.x - from.x) + Math.abs(to.y - from.y)
    this.fingers.set(id, to)
    if (other) {
      const spread = (p: { x: number; y: number }): number => Math.hypot(p.x - other.x, p.y - other.y) || 1
      this.zoomAt(Math.log2(spread(to) / spread(from)), (to.x + other.x) / 2, (to.y + other.y) / 2)
      return
    }
    for (const panned of this.pans) panned()
    const { worldPx } = this.view()
    this.cx -= (to.x - from.x) / worldPx
    this.cy -= (to.y - from.y) / worldPx
    this.changed()
  }

  private changed(): void {
    if (this.waiting) return
    this.waiting = true
    requestAnimationFrame(() => {
      this.waiting = false
      this.draw()
      for (const draw of this.draws) draw()
      for (const take of this.takes.splice(0)) take()
    })
  }

  private draw(): void {
    const view = this.view()
    const dpr = devicePixelRatio
    this.canvas.width = view.widthPx * dpr
    this.canvas.height = view.heightPx * dpr
    const g = this.canvas.getContext('2d')!
    g.scale(dpr, dpr)
    const c = GROUND_COLOURS[this.theme]
    g.fillStyle = c.sea
    g.fillRect(0, 0, view.widthPx, view.heightPx)
    this.fill(g, view, this.land, c.land, null)
    this.fill(g, view, this.cities, c.city, this.parts?.covers ? null : c.line)
    this.parts?.paint(g, view)
    if (this.parts?.covers) return
    g.font = `15px ${FONT}`
    g.textAlign = 'center'
    g.fillStyle = c.label
    for (const { x, y, name, en } of this.names) g.fillText(this.lang === 'zh' ? name : en, screenX(view, x), screenY(view, y))
  }

  private fill(g: CanvasRenderingContext2D, view: View, shapes: Shape[], fill: string, stroke: string | null): void {
    g.beginPath()
    for (const { rings } of shapes) {
      for (const ring of rings) {
        for (let i = 0; i < ring.length; i += 2) {
          const [x, y] = [screenX(view, ring[i]!), screenY(view, ring[i + 1]!)]
          if (i === 0) g.moveTo(x, y)
          else g.lineTo(x, y)
        }
        g.closePath()
      }
    }
    g.fillStyle = fill
    g.fill('evenodd')
    if (stroke === null) return
    g.strokeStyle = stroke
    g.stroke()
  }
}

function ringOf(points: [number, number][]): Float64Array {
  return Float64Array.from(points.flatMap(([lon, lat]) => [mercatorX(lon), mercatorY(lat)]))
}
