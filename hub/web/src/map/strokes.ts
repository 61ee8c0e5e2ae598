/** Everything of the overlay that is a line, a circle or a word. Called by `overlay.ts` with canvases in CSS pixels. */
import type { Trail } from '../feed/trails'
import { metresText } from '../laws/words'
import { drawEdges, outside } from './edges'
import { drawEntrances, type Entrance } from './entrances'
import { FONT, GROUND_COLOURS } from './ground'
import { octagon } from './glyphs'
import { GREY, INKS, writeLine } from './inks'
import { drawLabels } from './labels'
import { isDanger, reachPx, type Look } from './look'
import type { Hit } from './pick'
import { drawRings } from './rings'
import type { Mark, Scene } from './scene'
import type { PictureSource } from './source'
import { Taken } from './taken'
import { latOf, lonOf, mercatorX, mercatorY, pxPerMetre, screenX, screenY, type View } from './view'

const TRAILS_MAX = 300
const FADES = 5
const TRAIL_FADE_S = 10 * 60
const TRAIL_SELECTED_FADE_S = 60 * 60
const GRID_PX_MIN = 160
const GRID_STEPS = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002]

export function drawBelow(g: CanvasRenderingContext2D, view: View, now: Scene, isInView: (slot: number) => boolean, trails: PictureSource['trails'], look: Look): void {
  if (look.grid) drawGrid(g, view, look)
  const shown = now.marks.filter((mark) => isInView(mark.slot) || mark.selected)
  const ink = look.cut ? GREY : INKS[look.theme].trail
  if (look.trails && shown.length <= TRAILS_MAX) {
    for (const mark of shown) if (!mark.selected) drawTrail(g, view, trails.get(mark.slot), mark, now.at, ink, TRAIL_FADE_S, 1.5)
  }
  for (const mark of shown) {
    if (mark.selected) drawTrail(g, view, trails.get(mark.slot), mark, now.at, ink, TRAIL_SELECTED_FADE_S, 2.5)
  }
  for (const mark of now.marks) drawDoubt(g, view, mark, now, look)
}

/** On a ground without roads a grid is what tells a move of the map from a move of a unit. */
function drawGrid(g: CanvasRenderingContext2D, view: View, look: Look): void {
  const pxPerDegree = view.worldPx / 360
  const step = GRID_STEPS.findLast((degrees) => degrees * pxPerDegree >= GRID_PX_MIN) ?? 10
  const digits = Math.max(0, Math.ceil(-Math.log10(step)))
  const colours = GROUND_COLOURS[look.theme]
  const edge = (x: number, y: number): [number, number] => [
    lonOf(view.cx + (x - view.widthPx / 2) / view.worldPx), latOf(view.cy + (y - view.heightPx / 2) / view.worldPx),
  ]
  const [west, north] = edge(0, 0)
  const [east, south] = edge(view.widthPx, view.heightPx)
  g.strokeStyle = colours.grid
  g.fillStyle = colours.label
  g.lineWidth = 1
  g.font = `12px ${FONT}`
  g.textAlign = 'left'
  g.textBaseline = 'top'
  g.beginPath()
  for (let i = Math.ceil(west / step); i * step <= east; i++) {
    const x = Math.round(screenX(view, mercatorX(i * step))) + 0.5
    g.moveTo(x, 0)
    g.lineTo(x, view.heightPx)
    g.fillText(`${(i * step).toFixed(digits)}°`, x + 4, 4)
  }
  for (let i = Math.ceil(south / step); i * step <= north; i++) {
    const y = Math.round(screenY(view, mercatorY(i * step))) + 0.5
    g.moveTo(0, y)
    g.lineTo(view.widthPx, y)
    if (y > 30 && y < view.heightPx - 60) g.fillText(`${(i * step).toFixed(digits)}°`, 4, y + 3)
  }
  g.stroke()
}

/** Fades by age in steps, so that one path a step is enough. A leg longer than the stale limit is dotted: unknown. */
function drawTrail(
  g: CanvasRenderingContext2D, view: View, trail: Trail | undefined, mark: Mark, now: number, ink: string, fadeS: number, widthPx: number,
): void {
  if (!trail || trail.t.length === 0) return
  const known = Array.from({ length: FADES }, () => new Path2D())
  const unknown = new Path2D()
  const n = trail.t.length
  const x = (i: number): number => (i < n ? screenX(view, mercatorX(trail.lon[i]! / 1e7)) : screenX(view, mark.x))
  const y = (i: number): number => (i < n ? screenY(view, mercatorY(trail.lat[i]! / 1e7)) : screenY(view, mark.y))
  let [x0, y0] = [x(0), y(0)]
  for (let i = 1; i <= n; i++) {
    const age = (now - trail.t[Math.min(i, n - 1)]!) / 1000
    const [x1, y1] = [x(i), y(i)]
    if (age < fadeS) {
      const gap = i < n && !trail.joined[i] && trail.t[i]! - trail.t[i - 1]! > mark.meta.stale_s * 1000
      const path = gap ? unknown : known[Math.max(0, Math.min(FADES - 1, Math.floor((age / fadeS) * FADES)))]!
      path.moveTo(x0, y0)
      path.lineTo(x1, y1)
    }
    x0 = x1
    y0 = y1
  }
  g.lineCap = 'round'
  g.lineWidth = widthPx
  known.forEach((path, i) => {
    g.strokeStyle = `rgba(${ink},${(0.85 * (1 - i / FADES)).toFixed(2)})`
    g.stroke(path)
  })
  g.setLineDash([1, 6])
  g.strokeStyle = `rgba(${ink},0.6)`
  g.stroke(unknown)
  g.setLineDash([])
}

function drawDoubt(g: CanvasRenderingContext2D, view: View, mark: Mark, now: Scene, look: Look): void {
  const radius = mark.radiusM * pxPerMetre(view, mark.lat)
  const grave = isDanger(mark) || mark.selected
  if (radius < 20 || (now.crowded && !grave)) return
  const [x, y] = [screenX(view, mark.x), screenY(view, mark.y)]
  if (x + radius < 0 || y + radius < 0 || x - radius > view.widthPx || y - radius > view.heightPx) return
  const ink = look.cut ? GREY : INKS[look.theme].doubt
  const silent = mark.contact !== 'online'
  g.beginPath()
  g.arc(x, y, radius, 0, 2 * Math.PI)
  g.fillStyle = `rgba(${ink},${mark.selected ? 0.12 : silent ? 0.06 : 0.04})`
  g.fill()
  g.strokeStyle = `rgba(${ink},${silent ? 0.6 : 0.35})`
  g.lineWidth = mark.selected ? 2 : 1.2
  g.setLineDash(mark.contact === 'lost' ? [6, 5] : [])
  g.stroke()
  g.setLineDash([])
}

/** Rings, arrows and words. `byCanvas`: the graphics card draws no arrows of motion. Leaves what can be clicked beside symbols. */
export function drawAbove(
  g: CanvasRenderingContext2D, view: View, now: Scene, isInView: (slot: number) => boolean, inside: readonly Entrance[], look: Look, byCanvas: boolean,
): Hit[] {
  const taken = new Taken(view.widthPx, view.heightPx)
  for (const mark of now.marks) {
    if (!isInView(mark.slot)) continue
    const [x, y] = [screenX(view, mark.x), screenY(view, mark.y)]
    if (look.rings && mark.selected) drawRings(g, view, mark, look)
    if (isDanger(mark)) drawDanger(g, x, y, mark, look)
    if (mark.selected || mark.chosen) drawMarked(g, x, y, mark, look)
    if (mark.tasked) drawTasked(g, x, y, mark, look)
    if (byCanvas && !now.crowded && !look.cut && !Number.isNaN(mark.courseDeg)) drawCourse(g, x, y, mark, look)
  }
  const edges = drawEdges(g, view, outside(now, view, isInView), look, taken)
  const rows = drawEntrances(g, view, inside, look, taken)
  drawLabels(g, view, now, isInView, look, taken)
  drawScale(g, view, look)
  return [...edges, ...rows]
}

export function drawDanger(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  const corners = (r: number): [number, number][] =>
    mark.state === 'sos' ? octagon(r) : [[0, -r * 1.25], [r * 1.15, r * 0.8], [-r * 1.15, r * 0.8]]
  const ring = (r: number, width: number, ink: string): void => {
    g.beginPath()
    corners(r).forEach(([dx, dy], i) => (i === 0 ? g.moveTo(x + dx, y + dy) : g.lineTo(x + dx, y + dy)))
    g.closePath()
    g.lineWidth = width
    g.strokeStyle = ink
    g.stroke()
  }
  const ink = mark.state === 'sos' ? inks.sos : inks.high
  const [inner, outer] = mark.state === 'sos' ? [25, 33] : [33, 42]
  if (look.small) return ring(inner * 0.86, 3, ink)
  g.lineJoin = 'round'
  ring(inner, 6.5, inks.halo)
  ring(inner, 4, ink)
  if (!look.blinkOn && mark.state === 'sos' && !look.answered.has(mark.slot)) return
  ring(outer, 5.5, inks.halo)
  ring(outer, 3, ink)
}

/** Four arcs around the one that is open; around one of several, in the colour of a hand's own marks. */
function drawMarked(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  const r = reachPx(mark)
  for (const [width, ink] of [[6, inks.halo], [2.5, mark.selected ? inks.selected : inks.chosen]] as const) {
    g.lineWidth = width
    g.strokeStyle = ink
    g.lineCap = 'round'
    g.beginPath()
    for (let quarter = 0; quarter < 4; quarter++) {
      const a = (quarter * Math.PI) / 2 + Math.PI / 4
      g.moveTo(x + r * Math.cos(a - 0.42), y + r * Math.sin(a - 0.42))
      g.arc(x, y, r, a - 0.42, a + 0.42)
    }
    g.stroke()
  }
}

/** A flag at the shoulder: something was asked of it and is not done. */
function drawTasked(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  const [px, py] = [x + reachPx(mark) * 0.62, y - reachPx(mark) * 0.62]
  const flag = new Path2D(`M${px} ${py + 9}V${py - 9}h11l-3.5 4l3.5 4H${px}`)
  g.lineJoin = 'round'
  g.lineWidth = 5
  g.strokeStyle = inks.halo
  g.stroke(flag)
  g.fillStyle = inks.chosen
  g.fill(flag)
  g.lineWidth = 1.8
  g.strokeStyle = inks.text
  g.stroke(flag)
}

function drawCourse(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  g.save()
  g.translate(x, y)
  g.rotate((mark.courseDeg * Math.PI) / 180)
  g.beginPath()
  const tip = -reachPx(mark) - (mark.selected ? 14 : 6)
  g.moveTo(0, tip)
  g.lineTo(6.5, tip + 11)
  g.lineTo(-6.5, tip + 11)
  g.closePath()
  g.lineWidth = 3
  g.lineJoin = 'round'
  g.strokeStyle = inks.halo
  g.stroke()
  g.fillStyle = inks.text
  g.fill()
  g.restore()
}

function drawScale(g: CanvasRenderingContext2D, view: View, look: Look): void {
  const perMetre = pxPerMetre(view, latOf(view.cy))
  const most = 110 / perMetre
  const power = 10 ** Math.floor(Math.log10(most))
  const metres = [5, 2, 1].map((f) => f * power).find((m) => m <= most) ?? power
  const [x, y, width] = [14, view.heightPx - 14, metres * perMetre]
  const inks = INKS[look.theme]
  for (const [ink, line] of [[inks.halo, 5], [inks.muted, 2]] as const) {
    g.strokeStyle = ink
    g.lineWidth = line
    g.lineCap = 'butt'
    g.beginPath()
    g.moveTo(x, y - 6)
    g.lineTo(x, y)
    g.lineTo(x + width, y)
    g.lineTo(x + width, y - 6)
    g.stroke()
  }
  writeLine(g, x + 4, y - 13, [{ text: metresText(metres), ink: inks.muted }], inks)
}
