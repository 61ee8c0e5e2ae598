/**
 * Units above the ground. Enters: a picture (`source.ts`), the view of the ground, whom the commander marked. Leaves: pixels,
 * and an answer to what lies under the pointer.
 *
 * Three canvases. Below: grid, zones, trails, circles of doubt (2D). Middle: symbols (`symbols.ts`). Above: rings, arrows, labels.
 * Symbols are drawn with each picture, and between two pictures while they glide; lines and words, which cost most, a few times
 * a second; all of it in every frame in which a hand moves the ground.
 */
import { FULL_PACE, paced, retried, type Pace } from '../laws/pace'
import { cleared, fit } from './canvas'
import { entrances, type Entrance } from './entrances'
import type { Ground, Theme } from './ground'
import type { Look } from './look'
import { blinkOn, isStill } from './motion'
import { hitAt, PickGrid, type Hit } from './pick'
import { Sight, type Scene, type Wanted } from './scene'
import type { PictureSource } from './source'
import { drawFan, FAN_MAX } from './spider'
import { drawAbove, drawBelow } from './strokes'
import { Symbols, type Drawn } from './symbols'
import type { Box } from './taken'
import { latOf, lonOf, screenX, screenY, type View } from './view'
import { drawZones, type ZoneScene } from './zoneStrokes'

/** Signs nearer to each other than this cover each other. */
const COVER_PX = 15
const COVER_DOT_PX = 7
/** A glide that nobody could see is not drawn. */
const GLIDE_PX_MIN = 1.5
const GLIDE_MS: readonly [number, number] = [50, 1_000]
/** Lines below change slowly: trails follow, circles grow. In a crowd there are few of them. */
const LINES_MS = 450
const LINES_CROWDED_MS = 950
/** Of so many units ages are looked at once a second when no picture came. */
const LARGE = 4_000
const LARGE_MS = 1_000

export type Graphics = 'gl' | 'none' | 'lost'
/** What a click meant: a unit, a unit far away, a stack that fanned out or closed, or nothing. */
export type Picked = { slot: number; fly: boolean } | 'fan' | null

export class Overlay {
  /** How many pictures were drawn: what a measurement of the screen counts. */
  drawn = 0
  graphics: Graphics = 'none'
  onGraphics: (now: Graphics) => void = () => undefined
  /** Called after each look at the picture, before it is drawn. */
  onLook: () => void = () => undefined
  private readonly below: HTMLCanvasElement
  private readonly above: HTMLCanvasElement
  private readonly symbols: Symbols
  private readonly sight = new Sight()
  private now: Scene = { marks: [], order: new Uint32Array(0), shown: 0, crowded: false, inside: [], stepPx: 0, at: NaN }
  private inside: Entrance[] = []
  private hits: Hit[] = []
  private grid: PickGrid | null = null
  private fanned: { x: number; y: number; slots: number[]; zoom: number } | null = null
  private look: Look
  private wanted: Wanted = { selected: undefined, chosen: new Set(), tasked: new Set() }
  private waiting = false
  private wordsWait = true
  private gliding = false
  private pictureMono = -Infinity
  private glideMs = GLIDE_MS[1]
  private ticks = -1
  private frameMono = NaN
  private moving = false
  private drawnView = ''
  private linesMono = -Infinity
  private lookedMono = -Infinity
  /** As it was when this frame began: to ask the ground makes the page lay itself out. */
  private view: View
  private zoned: ZoneScene = { zones: [], signal: null, search: null, drawing: null, pointer: null }
  pace: Pace = FULL_PACE

  constructor(private readonly container: HTMLElement, private readonly ground: Ground, private source: PictureSource, theme: Theme) {
    this.view = ground.view()
    this.below = this.layer('below')
    const middle = this.layer('middle')
    const flat = this.layer('flat')
    this.above = this.layer('above')
    this.look = { theme, cut: false, blinkOn: true, answered: new Set(), rings: false, grid: true, trails: true }
    this.symbols = new Symbols(middle, flat, theme, () => this.refresh())
    this.say(this.symbols.byCard ? 'gl' : 'none')
    // A lost context, of the symbols or of the ground, draws nothing and says nothing: the map would look live without them.
    container.addEventListener('webglcontextlost', (event) => {
      if (event.target === middle) {
        if (!this.symbols.byCard) return
        event.preventDefault()
        this.symbols.lose()
      }
      this.say('lost')
    }, true)
    container.addEventListener('webglcontextrestored', () => {
      this.symbols.start()
      this.say(this.symbols.byCard ? 'gl' : 'none')
    }, true)
    ground.onRender(() => this.onGround())
    ground.onMoving((moving) => this.onMoving(moving))
  }

  /** Another picture: a moment of a rewind, or the live one again. */
  setSource(source: PictureSource): void {
    this.source = source
    this.sight.restart()
    this.ticks = -1
    this.refresh()
  }

  isInView(slot: number): boolean {
    return this.sight.isInView(slot)
  }

  /** What stands on the screen now, for `diagnostics`. */
  get scene(): Readonly<Scene> {
    return this.now
  }

  get fan(): readonly number[] {
    return this.fanned?.slots ?? []
  }

  /** What can be clicked beside symbols: arrows at the edge, rows of entrances, legs of a fan. */
  get places(): readonly Hit[] {
    return this.hits
  }

  setTheme(theme: Theme): void {
    this.look = { ...this.look, theme }
    this.symbols.setTheme(theme)
  }

  setMarked(wanted: Wanted): void {
    const { selected, chosen, tasked } = this.wanted
    const same = selected === wanted.selected && equal(chosen, wanted.chosen) && equal(tasked, wanted.tasked)
    this.wanted = wanted
    if (same) this.speak()
    else this.refresh()
  }

  setZones(zoned: ZoneScene): void {
    this.zoned = zoned
    this.refresh()
  }

  setLook(part: Pick<Look, 'answered' | 'cut' | 'rings' | 'grid' | 'trails'>): void {
    const other = (['cut', 'rings', 'grid', 'trails'] as const).some((name) => part[name] !== this.look[name])
    this.look = { ...this.look, ...part }
    if (other) this.refresh()
    else this.speak()
  }

  /** Looks at the picture again and draws all in the next frame. */
  refresh(): void {
    this.linesMono = -Infinity
    this.speak()
  }

  /** Ages are older: words are drawn in the next frame, and lines when it is their time. */
  speak(): void {
    this.wordsWait = true
    this.pictured()
  }

  /** A picture came: what moves is drawn in the next frame. */
  pictured(): void {
    if (this.waiting) return
    this.waiting = true
    requestAnimationFrame(() => {
      this.waiting = false
      this.view = this.ground.view()
      const isDue = this.isLookDue()
      if (isDue) this.lookAgain()
      this.draw(this.wordsWait, isDue)
      this.wordsWait = false
      this.glide()
    })
  }

  /** Where a unit is drawn; null when it is not on the map. */
  placeOf(slot: number): { lon: number; lat: number } | null {
    const [x, y] = [this.sight.x[slot]!, this.sight.y[slot]!]
    return Number.isFinite(x) && Number.isFinite(y) ? { lon: lonOf(x), lat: latOf(y) } : null
  }

  /** The same in pixels of the map. */
  pixelOf(slot: number): { x: number; y: number } | null {
    const { view } = this
    const [x, y] = [screenX(view, this.sight.x[slot]!), screenY(view, this.sight.y[slot]!)]
    return Number.isFinite(x) && Number.isFinite(y) ? { x, y } : null
  }

  /** The slot drawn nearest to a pixel; of those under one point the one that lies above. */
  under(x: number, y: number): number | undefined {
    return hitAt(this.hits, x, y)?.slot ?? (this.fanned ? undefined : this.pickGrid().stack(x, y, 0)[0])
  }

  click(x: number, y: number): Picked {
    const hit = hitAt(this.hits, x, y)
    const wasOpen = this.fanned !== null
    if (hit) {
      this.closeFan()
      return { slot: hit.slot, fly: hit.fly === true }
    }
    if (wasOpen) {
      this.closeFan()
      return 'fan'
    }
    const stack = this.pickGrid().stack(x, y, this.now.crowded ? COVER_DOT_PX : COVER_PX)
    if (stack.length < 2) return stack.length === 1 ? { slot: stack[0]!, fly: false } : null
    const anchor = stack[0]!
    this.fanned = { x: this.sight.x[anchor]!, y: this.sight.y[anchor]!, slots: stack, zoom: this.view.worldPx }
    this.refresh()
    return 'fan'
  }

  closeFan(): boolean {
    if (!this.fanned) return false
    this.fanned = null
    this.refresh()
    return true
  }

  /** Slots whose symbols stand within a box of pixels. */
  within(box: Box): number[] {
    return this.pickGrid().within(box)
  }

  private layer(name: string): HTMLCanvasElement {
    const canvas = document.createElement('canvas')
    canvas.className = `overlay ${name}`
    canvas.setAttribute('aria-hidden', 'true')
    this.container.append(canvas)
    return canvas
  }

  private say(now: Graphics): void {
    this.graphics = now
    this.onGraphics(now)
    this.refresh()
  }

  /** Of a large picture that is the same one, only time has passed: once a second is enough to see who became silent. */
  private isLookDue(): boolean {
    const { ticks, slots } = this.source
    return ticks !== this.ticks || slots.length <= LARGE || this.linesMono === -Infinity || performance.now() - this.lookedMono >= LARGE_MS
  }

  private lookAgain(): void {
    this.lookedMono = performance.now()
    this.symbols.follow(devicePixelRatio)
    const { source } = this
    this.pace = retried(this.pace, performance.now())
    if (source.ticks !== this.ticks) {
      const mono = performance.now()
      this.glideMs = Math.min(GLIDE_MS[1], Math.max(GLIDE_MS[0], mono - this.pictureMono))
      this.pictureMono = mono
      this.ticks = source.ticks
      this.drawn += 1
    }
    this.now = this.sight.look(source, this.view, this.wanted)
    this.grid = null
    this.onLook()
    this.inside = entrances(this.now.inside.map((slot) => {
      const meta = source.meta(slot)!
      return { slot, meta, state: this.sight.stateOf(source, slot), insideS: Math.max(0, (this.now.at - meta.entry!.t) / 1000) }
    }))
    this.symbols.fill(this.view, this.drawing())
  }

  /** Frame after frame until symbols are where the picture says. */
  private glide(): void {
    if (this.gliding || !this.canGlide()) return
    this.gliding = true
    this.frameMono = NaN
    const step = (mono: number): void => {
      this.frame(mono)
      this.gliding = this.canGlide() && this.part() < 1
      this.symbols.draw(this.view, this.drawing(), this.part())
      if (this.gliding) requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }

  private canGlide(): boolean {
    return this.symbols.byCard && this.pace.glide && !this.look.cut && this.now.stepPx > GLIDE_PX_MIN && !isStill()
  }

  /** How far between two pictures, 0..1; a line that is cut moves nothing. */
  private part(): number {
    return this.canGlide() ? Math.min(1, (performance.now() - this.pictureMono) / this.glideMs) : 1
  }

  private frame(mono: number): void {
    this.pace = paced(this.pace, mono - this.frameMono, mono)
    this.frameMono = mono
  }

  private onMoving(moving: boolean): void {
    this.moving = moving
    this.frameMono = NaN
    this.ground.setCoarse(moving && this.pace.coarse)
    if (!moving) this.refresh()
  }

  private onGround(): void {
    if (this.moving) this.frame(performance.now())
    const view = (this.view = this.ground.view())
    if (this.fanned && this.fanned.zoom !== view.worldPx) this.fanned = null
    if (keyOf(view) === this.drawnView) return
    this.grid = null
    this.draw(true)
  }

  private pickGrid(): PickGrid {
    if (this.grid) return this.grid
    const { view } = this
    const slots = this.now.order.filter((slot) => this.sight.isInView(slot))
    const [x, y] = [new Float32Array(slots.length), new Float32Array(slots.length)]
    slots.forEach((slot, i) => {
      x[i] = screenX(view, this.sight.x[slot]!)
      y[i] = screenY(view, this.sight.y[slot]!)
    })
    return (this.grid = new PickGrid(x, y, slots, view.widthPx, view.heightPx))
  }

  private drawing(): Drawn {
    return { source: this.source, sight: this.sight, scene: this.now, cut: this.look.cut }
  }

  private draw(words: boolean, symbols = true): void {
    const { view } = this
    if (view.widthPx === 0 || view.heightPx === 0) return
    for (const canvas of [this.below, this.above]) fit(canvas, view)
    if (symbols) this.symbols.draw(view, this.drawing(), this.part())
    if (!words) return
    this.look.blinkOn = blinkOn()
    const isInView = (slot: number): boolean => this.sight.isInView(slot)
    if (keyOf(view) !== this.drawnView || performance.now() - this.linesMono >= (this.now.crowded ? LINES_CROWDED_MS : LINES_MS)) {
      this.linesMono = performance.now()
      const bottom = cleared(this.below, view)
      drawZones(bottom, view, this.zoned, this.look.theme)
      drawBelow(bottom, view, this.now, isInView, this.source.trails, this.look)
    }
    this.drawnView = keyOf(view)
    const top = cleared(this.above, view)
    this.hits = drawAbove(top, view, this.now, isInView, this.inside, this.look, !this.symbols.byCard)
    if (this.fanned) this.hits = this.drawFanned(top, view, this.fanned)
  }

  private drawFanned(g: CanvasRenderingContext2D, view: View, { x, y, slots }: { x: number; y: number; slots: number[] }): Hit[] {
    const shown = slots.slice(0, FAN_MAX).flatMap((slot) => this.sight.markOf(this.source, slot, this.wanted) ?? [])
    return drawFan(g, screenX(view, x), screenY(view, y), shown, slots.length - shown.length, view, this.look, (mark, px, py) => this.symbols.drawOne(g, mark, px, py))
  }
}

const equal = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => a.size === b.size && [...a].every((slot) => b.has(slot))
const keyOf = (view: View): string => `${view.cx} ${view.cy} ${view.worldPx} ${view.widthPx} ${view.heightPx} ${devicePixelRatio}`
