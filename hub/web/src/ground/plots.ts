/**
 * The canvas of drawings, dropped files, grid and hand: above the ground, below the units. It is drawn when something of it changes
 * and in every frame in which the ground moves, and is not there while it shows nothing.
 */
import { effect, signal } from '@preact/signals'
import { drawings, isOff, opacityOf, prefs } from '../app/ground'
import { theme } from '../app/theme'
import type { FileLayer } from '../files/layer'
import type { Ground } from '../map/ground'
import { ahead, drawn, hand } from './hand'
import { drawDrawing, drawFile, drawGrid, drawHand } from './strokes'

export interface Dropped { id: string; name: string; layer: FileLayer; t: number; bytes: number; crs: string }
/** Files of this person, only in this browser. */
export const dropped = signal<Dropped[]>([])
export const DROPPED_MAX = 20

export class Plots {
  private readonly canvas = document.createElement('canvas')
  private readonly stop: () => void

  constructor(box: HTMLElement, private readonly ground: Ground) {
    this.canvas.className = 'overlay plots'
    this.canvas.setAttribute('aria-hidden', 'true')
    const above = box.querySelector('.overlay')
    if (above) above.before(this.canvas)
    else box.append(this.canvas)
    ground.onRender(() => this.draw())
    this.stop = effect(() => this.draw())
  }

  close(): void {
    this.stop()
    this.canvas.remove()
  }

  private draw(): void {
    const view = this.ground.view()
    const [shown, files, now] = [drawings.value, dropped.value, hand.value]
    const { grid, place, angle } = prefs.value
    const [dark, on] = [theme.value, !isOff('drawings')]
    const something = (on && shown.length > 0) || files.length > 0 || now !== null || grid
    this.canvas.hidden = !something
    if (!something || view.widthPx === 0 || view.heightPx === 0) return
    const dpr = devicePixelRatio
    const [width, height] = [Math.round(view.widthPx * dpr), Math.round(view.heightPx * dpr)]
    if (this.canvas.width !== width) this.canvas.width = width
    if (this.canvas.height !== height) this.canvas.height = height
    const g = this.canvas.getContext('2d')!
    g.setTransform(dpr, 0, 0, dpr, 0, 0)
    g.clearRect(0, 0, view.widthPx, view.heightPx)
    if (grid) drawGrid(g, view, place, dark)
    files.forEach((file, i) => {
      if (isOff(`file:${file.id}`)) return
      g.globalAlpha = opacityOf(`file:${file.id}`)
      drawFile(g, view, file.layer, i, dark)
    })
    g.globalAlpha = opacityOf('drawings')
    if (on) for (const drawing of shown) if (drawing.id !== now?.of?.id) drawDrawing(g, view, drawing, dark)
    g.globalAlpha = 1
    if (now) drawHand(g, view, now, ahead.value, drawn(now), dark, angle)
  }
}
