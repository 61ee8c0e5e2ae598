/**
 * Units above the ground: three canvases, drawn when a pulse comes and in every frame in which the ground moves.
 *
 * Below: grid, trails, circles of doubt (2D). Middle: symbols (WebGL, or 2D without it). Above: rings, arrows, labels.
 */
import type { PictureSource } from './source'
import { cellOf, CELL_PX, COLUMNS, dotOf, drawAtlas } from './atlas'
import type { Ground, Theme } from './ground'
import { Points, VERTEX_BYTES } from './points'
import { scene, type Mark, type Scene } from './scene'
import { drawAbove, drawBelow, type Look } from './strokes'
import { screenX, screenY, type View } from './view'
import { drawZones, type ZoneScene } from './zoneStrokes'

const PICK_PX = 24
/** Without WebGL whole symbols are drawn for this many, dots for the rest. */
const ICONS_BY_CANVAS_MAX = 300

export class Overlay {
  private readonly below: HTMLCanvasElement
  private readonly middle: HTMLCanvasElement
  private readonly above: HTMLCanvasElement
  private points: Points | null = null
  private atlas: HTMLCanvasElement
  private atlasDpr = devicePixelRatio
  private now: Scene = { marks: [], inView: new Set(), crowded: false, at: NaN }
  private bytes = new Uint8Array(0)
  private look: Look
  private selectedSlot: number | undefined
  private waiting = false
  private zoned: ZoneScene = { zones: [], signal: null, search: null, drawing: null, pointer: null }

  constructor(
    container: HTMLElement,
    private readonly ground: Ground,
    private source: PictureSource,
    theme: Theme,
  ) {
    const layer = (name: string): HTMLCanvasElement => {
      const canvas = document.createElement('canvas')
      canvas.className = `overlay ${name}`
      canvas.setAttribute('aria-hidden', 'true')
      container.append(canvas)
      return canvas
    }
    this.below = layer('below')
    this.middle = layer('middle')
    this.above = layer('above')
    this.look = { theme, cut: false, blinkOn: true, answered: new Set() }
    this.atlas = drawAtlas(theme, devicePixelRatio)
    this.startGl()
    // A lost context draws nothing and says nothing: symbols would vanish while the screen looks live.
    this.middle.addEventListener('webglcontextlost', (event) => {
      event.preventDefault()
      this.points = null
      this.refresh()
    })
    this.middle.addEventListener('webglcontextrestored', () => {
      this.startGl()
      this.refresh()
    })
    ground.onRender(() => this.draw())
  }

  get inView(): Set<number> {
    return this.now.inView
  }

  get marks(): readonly Mark[] {
    return this.now.marks
  }

  /** Another picture: of now, or of a moment before. */
  setSource(source: PictureSource): void {
    this.source = source
    this.refresh()
  }

  setTheme(theme: Theme): void {
    this.look = { ...this.look, theme }
    this.newAtlas()
    this.refresh()
  }

  select(slot: number | undefined): void {
    this.selectedSlot = slot
    this.refresh()
  }

  setZones(zoned: ZoneScene): void {
    this.zoned = zoned
    this.refresh()
  }

  setAnswered(answered: ReadonlySet<number>): void {
    this.look = { ...this.look, answered }
  }

  setCut(cut: boolean): void {
    this.look = { ...this.look, cut }
  }

  /** Looks at the picture again and draws in the next frame. */
  refresh(): void {
    if (this.waiting) return
    this.waiting = true
    requestAnimationFrame(() => {
      this.waiting = false
      if (this.atlasDpr !== devicePixelRatio) this.newAtlas()
      this.now = scene(this.source, this.source.now(), this.ground.view(), this.selectedSlot)
      this.fillVertices()
      this.draw()
    })
  }

  /** The slot drawn nearest to a pixel, the gravest among those under the finger; undefined when there is none. */
  pick(x: number, y: number): number | undefined {
    const view = this.ground.view()
    let found: number | undefined
    let best = PICK_PX
    for (const mark of this.now.marks) {
      const distance = Math.hypot(screenX(view, mark.x) - x, screenY(view, mark.y) - y)
      if (distance <= best) {
        best = distance
        found = mark.slot
      }
    }
    return found
  }

  private startGl(): void {
    this.points = Points.make(this.middle)
    this.points?.setAtlas(this.atlas)
  }

  private newAtlas(): void {
    this.atlasDpr = devicePixelRatio
    this.atlas = drawAtlas(this.look.theme, devicePixelRatio)
    this.points?.setAtlas(this.atlas)
  }

  private fillVertices(): void {
    if (!this.points) return
    const { marks } = this.now
    if (this.bytes.length < marks.length * VERTEX_BYTES) this.bytes = new Uint8Array(marks.length * VERTEX_BYTES * 2)
    const layer = new DataView(this.bytes.buffer)
    const { cx, cy } = this.ground.view()
    marks.forEach((mark, i) => {
      const at = i * VERTEX_BYTES
      layer.setFloat32(at, mark.x - cx, true)
      layer.setFloat32(at + 4, mark.y - cy, true)
      layer.setUint16(at + 8, this.cell(mark, this.now.crowded), true)
      layer.setUint16(at + 10, sizePx(mark), true)
    })
    this.points.setVertices(this.bytes, marks.length, cx, cy)
  }

  private cell(mark: Mark, crowded: boolean): number {
    const important = mark.selected || mark.state === 'sos' || mark.state === 'mandown'
    return crowded && !important ? dotOf(mark.contact) : cellOf(mark.meta.kind, mark.meta.branch, mark.contact, mark.meta.reported !== undefined)
  }

  private draw(): void {
    const view = this.ground.view()
    if (view.widthPx === 0 || view.heightPx === 0) return
    const dpr = devicePixelRatio
    for (const canvas of [this.below, this.middle, this.above]) fit(canvas, view, dpr)
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    this.look.blinkOn = still || Math.floor(performance.now() / 500) % 2 === 0
    const bottom = cleared(this.below, view, dpr)
    drawZones(bottom, view, this.zoned, this.look.theme)
    drawBelow(bottom, view, this.now, this.source.trails, this.look)
    if (this.points) this.points.draw(view, dpr, this.look.cut ? 1 : 0)
    const top = cleared(this.above, view, dpr)
    if (!this.points) this.drawByCanvas(top, view)
    drawAbove(top, view, this.now, this.look)
  }

  private drawByCanvas(g: CanvasRenderingContext2D, view: View): void {
    g.filter = this.look.cut ? 'grayscale(1) opacity(0.6)' : 'none'
    const crowded = this.now.inView.size > ICONS_BY_CANVAS_MAX
    for (const mark of this.now.marks) {
      if (!this.now.inView.has(mark.slot)) continue
      const cell = this.cell(mark, crowded)
      const size = sizePx(mark)
      const from = CELL_PX * this.atlasDpr
      const [x, y] = [screenX(view, mark.x) - size / 2, screenY(view, mark.y) - size / 2]
      g.drawImage(this.atlas, (cell % COLUMNS) * from, Math.floor(cell / COLUMNS) * from, from, from, x, y, size, size)
    }
    g.filter = 'none'
  }
}

const sizePx = (mark: Mark): number => (mark.selected ? 46 : 38)

function fit(canvas: HTMLCanvasElement, view: View, dpr: number): void {
  const [width, height] = [Math.round(view.widthPx * dpr), Math.round(view.heightPx * dpr)]
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
}

function cleared(canvas: HTMLCanvasElement, view: View, dpr: number): CanvasRenderingContext2D {
  const g = canvas.getContext('2d')!
  g.setTransform(dpr, 0, 0, dpr, 0, 0)
  g.clearRect(0, 0, view.widthPx, view.heightPx)
  return g
}
