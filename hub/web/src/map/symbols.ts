/**
 * The symbols of all units: by the graphics card (`points.ts`), or by hand (`dots.ts` and the atlas) where there is none.
 *
 * Enters: a scene and where its units are. Leaves: pixels on the middle canvas, or on the flat one in its place. Called by
 * `overlay.ts`, which says when.
 */
import type { UnitMeta } from '../feed/messages'
import type { Contact } from '../laws/contact'
import { cellOf, CELL_PX, COLUMNS, dotOf, drawAtlas } from './atlas'
import { cleared, fit } from './canvas'
import { Dots } from './dots'
import { Foreign } from './foreign'
import type { Theme } from './ground'
import { INKS } from './inks'
import { reachPx } from './look'
import { NO_COURSE, Points, VERTEX_BYTES, whatOf } from './points'
import type { Mark, Scene, Sight } from './scene'
import type { PictureSource } from './source'
import { screenX, screenY, type View } from './view'

/** By hand whole symbols are drawn for this many, dots for the rest. */
const BY_HAND_MAX = 300
const DOT_PX = 12
/** Where there are more dots than this, they are smaller: they lie on each other, and each pixel costs. */
const DENSE = 4_000
const DENSE_DOT_PX = 10
const SYMBOL_PX = 38
const SELECTED_PX = 46
const STAMPS: readonly Contact[] = ['online', 'stale', 'lost']

/** What is drawn: the picture, what the map shows of it, and where. */
export interface Drawn { source: PictureSource; sight: Sight; scene: Scene; cut: boolean }

export class Symbols {
  private points: Points | null = null
  private atlas: HTMLCanvasElement
  private dpr = devicePixelRatio
  private dots: Dots | null = null
  private bytes = new ArrayBuffer(0)
  private readonly foreign = new Foreign(() => this.redraw())

  /** @param onAtlas signs look different now: all has to be drawn again */
  constructor(private readonly middle: HTMLCanvasElement, private readonly flat: HTMLCanvasElement, private theme: Theme, private readonly onAtlas: () => void) {
    this.atlas = drawAtlas(theme, this.dpr)
    this.start()
  }

  get byCard(): boolean {
    return this.points !== null
  }

  /** At first, and when a lost card is back. */
  start(): void {
    this.points = Points.make(this.middle)
    this.setAtlas()
  }

  lose(): void {
    this.points = null
  }

  setTheme(theme: Theme): void {
    this.theme = theme
    this.redraw()
  }

  /** A window on another screen has other pixels. */
  follow(dpr: number): void {
    if (dpr !== this.dpr) this.redraw()
  }

  private redraw(): void {
    this.dpr = devicePixelRatio
    this.atlas = drawAtlas(this.theme, this.dpr)
    this.setAtlas()
    this.onAtlas()
  }

  private setAtlas(): void {
    this.foreign.drawInto(this.atlas, this.theme, this.dpr)
    this.points?.setAtlas(this.atlas, rgb(INKS[this.theme].text), rgb(INKS[this.theme].halo))
    this.dots = null
  }

  /** Hands the card what a new look at the picture found. */
  fill(view: View, { source, sight, scene, cut }: Drawn): void {
    if (!this.points) return
    const { order, crowded, marks } = scene
    const { x, y, beforeX, beforeY } = sight
    if (this.bytes.byteLength < order.length * VERTEX_BYTES) this.bytes = new ArrayBuffer(order.length * VERTEX_BYTES * 2)
    const at = new Float32Array(this.bytes)
    const looks = new Uint16Array(this.bytes)
    const { cx, cy } = view
    const bySlot = new Map(marks.map((mark) => [mark.slot, mark]))
    for (let i = 0; i < order.length; i++) {
      const slot = order[i]!
      const mark = bySlot.get(slot)
      const dot = crowded && mark === undefined
      const contact = sight.contactOf(slot)
      at[i * 6] = beforeX[slot]! - cx
      at[i * 6 + 1] = beforeY[slot]! - cy
      at[i * 6 + 2] = x[slot]! - cx
      at[i * 6 + 3] = y[slot]! - cy
      looks[i * 12 + 8] = mark && !Number.isNaN(mark.courseDeg) && !cut ? mark.courseDeg : NO_COURSE
      looks[i * 12 + 9] = dot ? dotOf(contact) : this.cell(source.meta(slot)!, contact)
      looks[i * 12 + 10] = dot ? DOT_PX : mark?.selected ? SELECTED_PX : SYMBOL_PX
      looks[i * 12 + 11] = whatOf(dot, mark ? reachPx(mark) + (mark.selected ? 4 : -4) : 0)
    }
    this.points.setVertices(new Uint8Array(this.bytes), order.length, cx, cy)
  }

  /** `part`: how far symbols are from the place before to the place now, 0..1; by hand they are always there. */
  draw(view: View, drawn: Drawn, part: number): void {
    this.flat.hidden = this.points !== null
    if (this.points) {
      fit(this.middle, view)
      this.points.draw(view, devicePixelRatio, drawn.cut ? 1 : 0, part)
    } else this.drawByHand(view, drawn)
  }

  /** One sign with its middle at a pixel. */
  drawOne(g: CanvasRenderingContext2D, mark: Mark, x: number, y: number): void {
    const cell = this.cell(mark.meta, mark.contact)
    const size = mark.selected ? SELECTED_PX : SYMBOL_PX
    const from = CELL_PX * this.dpr
    g.drawImage(this.atlas, (cell % COLUMNS) * from, Math.floor(cell / COLUMNS) * from, from, from, x - size / 2, y - size / 2, size, size)
  }

  private cell(meta: UnitMeta, contact: Contact): number {
    const foreign = meta.sidc === undefined ? undefined : this.foreign.cellOf(meta.sidc, contact)
    return foreign ?? cellOf(meta.kind, meta.branch, contact, meta.reported !== undefined)
  }

  /** From the gravest down as many whole signs as there may be; whoever is left is a dot. */
  private drawByHand(view: View, drawn: Drawn): void {
    const { sight, scene, cut } = drawn
    this.flat.classList.toggle('cut', cut)
    fit(this.flat, view)
    const g = cleared(this.flat, view)
    const whole = scene.marks.filter(({ slot }) => sight.isInView(slot)).slice(-BY_HAND_MAX)
    if (scene.shown > whole.length) this.drawDots(g, view, drawn, new Set(whole.map(({ slot }) => slot)))
    for (const mark of whole) this.drawOne(g, mark, screenX(view, mark.x), screenY(view, mark.y))
  }

  private drawDots(g: CanvasRenderingContext2D, view: View, { sight, scene }: Drawn, without: ReadonlySet<number>): void {
    const { dpr } = this
    const middleOf = (cell: number): [number, number] => [((cell % COLUMNS) + 0.5) * CELL_PX * dpr, (Math.floor(cell / COLUMNS) + 0.5) * CELL_PX * dpr]
    const side = Math.round((scene.shown > DENSE ? DENSE_DOT_PX : DOT_PX) * dpr)
    if (this.dots?.side !== side) this.dots = Dots.from(this.atlas, STAMPS.map((contact) => middleOf(dotOf(contact))), DOT_PX * dpr, side)
    this.dots.begin(g)
    for (let i = 0; i < scene.order.length; i++) {
      const slot = scene.order[i]!
      if (without.has(slot) || !sight.isInView(slot)) continue
      const contact = sight.contactOf(slot)
      this.dots.add(screenX(view, sight.x[slot]!) * dpr, screenY(view, sight.y[slot]!) * dpr, contact === 'online' ? 0 : contact === 'stale' ? 1 : 2)
    }
    this.dots.end(g)
  }
}

const rgb = (hex: string): number[] => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
