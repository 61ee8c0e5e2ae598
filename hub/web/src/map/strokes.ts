/** Everything of the overlay that is a line, a circle or a word. Called by `overlay.ts` with canvases in CSS pixels. */
import type { Trail, Trails } from '../feed/trails'
import { ageText, metresText } from '../laws/words'
import { FONT, GROUND_COLOURS, type Theme } from './ground'
import { octagon } from './glyphs'
import type { Mark, Scene } from './scene'
import { latOf, lonOf, mercatorX, mercatorY, pxPerMetre, screenX, screenY, type View } from './view'

/** `answered`: slots whose call for help somebody has answered; only the others blink. */
export interface Look { theme: Theme; cut: boolean; blinkOn: boolean; answered: ReadonlySet<number> }

interface Inks { text: string; halo: string; muted: string; trail: string; doubt: string; selected: string; sos: string; high: string }

const INKS: Record<Theme, Inks> = {
  night: { text: '#eef2f5', halo: '#12161b', muted: '#c3ccd4', trail: '143,196,232', doubt: '195,214,228', selected: '#ffffff', sos: '#ff3b3b', high: '#ff9a2e' },
  day: { text: '#151b20', halo: '#f4f6f7', muted: '#39434c', trail: '23,84,138', doubt: '40,70,98', selected: '#0b1116', sos: '#d00018', high: '#b85400' },
}

const LABELS_MAX = 300
const TRAILS_MAX = 300
const FADES = 5
/** Arrows to what is off the screen stay clear of the buttons at the edge. */
const OFF_SCREEN_PX = 86
const TRAIL_FADE_S = 10 * 60
const TRAIL_SELECTED_FADE_S = 60 * 60
const GRID_PX_MIN = 160
const GRID_STEPS = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002]
const GREY = '150,158,166'

export function drawBelow(g: CanvasRenderingContext2D, view: View, now: Scene, trails: Trails, look: Look): void {
  drawGrid(g, view, look)
  const shown = now.marks.filter((mark) => now.inView.has(mark.slot) || mark.selected)
  const ink = look.cut ? GREY : INKS[look.theme].trail
  if (shown.length <= TRAILS_MAX) {
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
  const grave = mark.state === 'sos' || mark.state === 'mandown' || mark.selected
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

export function drawAbove(g: CanvasRenderingContext2D, view: View, now: Scene, look: Look): void {
  const edgeLabels: [number, number][] = []
  for (const mark of now.marks) {
    const [x, y] = [screenX(view, mark.x), screenY(view, mark.y)]
    const visible = now.inView.has(mark.slot)
    if (mark.state === 'sos' || mark.state === 'mandown') {
      if (visible) drawDanger(g, x, y, mark, look)
      else drawOffScreen(g, view, x, y, mark, look, edgeLabels)
    }
    if (!visible) continue
    if (mark.selected) drawSelected(g, x, y, mark, look)
    if (!now.crowded && !look.cut && !Number.isNaN(mark.courseDeg)) drawCourse(g, x, y, mark, look)
  }
  drawLabels(g, view, now, look)
  drawScale(g, view, look)
}

/** How far a symbol with its rings of danger reaches; what is drawn around it starts here. */
function reachPx(mark: Mark): number {
  return mark.state === 'sos' ? 40 : mark.state === 'mandown' ? 50 : mark.selected ? 26 : 22
}

function drawDanger(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
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
  g.lineJoin = 'round'
  ring(inner, 6.5, inks.halo)
  ring(inner, 4, ink)
  if (!look.blinkOn && mark.state === 'sos' && !look.answered.has(mark.slot)) return
  ring(outer, 5.5, inks.halo)
  ring(outer, 3, ink)
}

/** Who calls for help outside the view is pointed at from the edge. */
function drawOffScreen(
  g: CanvasRenderingContext2D, view: View, x: number, y: number, mark: Mark, look: Look, taken: [number, number][],
): void {
  const inks = INKS[look.theme]
  const [midX, midY] = [view.widthPx / 2, view.heightPx / 2]
  const [dx, dy] = [x - midX, y - midY]
  const [insetX, insetY] = [Math.min(OFF_SCREEN_PX, midX * 0.4), Math.min(OFF_SCREEN_PX, midY * 0.3)]
  const shrink = Math.min((midX - insetX) / Math.abs(dx || 1e-9), (midY - insetY) / Math.abs(dy || 1e-9))
  const [ex, ey] = [midX + dx * shrink, midY + dy * shrink]
  const ink = mark.state === 'sos' ? inks.sos : inks.high
  g.save()
  g.translate(ex, ey)
  g.rotate(Math.atan2(dy, dx))
  g.beginPath()
  g.moveTo(24, 0)
  g.lineTo(-4, 15)
  g.lineTo(-4, -15)
  g.closePath()
  g.lineJoin = 'round'
  g.lineWidth = 5
  g.strokeStyle = inks.halo
  g.stroke()
  g.fillStyle = ink
  g.fill()
  g.restore()
  const left = ex > midX
  let row = ey
  while (taken.some(([tx, ty]) => Math.abs(tx - ex) < 160 && Math.abs(ty - row) < 20)) row -= 20
  taken.push([ex, row])
  label(g, ex + (left ? -18 : 18), row, mark.meta.callsign, look, { ink, bold: true, align: left ? 'right' : 'left' })
}

function drawSelected(g: CanvasRenderingContext2D, x: number, y: number, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  const r = reachPx(mark)
  for (const [width, ink] of [[6, inks.halo], [2.5, inks.selected]] as const) {
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

/** Labels from the gravest down; one that would cover another is left out, never one of a unit in danger. */
function drawLabels(g: CanvasRenderingContext2D, view: View, now: Scene, look: Look): void {
  const taken: [number, number, number, number][] = []
  const inks = INKS[look.theme]
  let room = LABELS_MAX
  for (let i = now.marks.length - 1; i >= 0 && room > 0; i--) {
    const mark = now.marks[i]!
    if (!now.inView.has(mark.slot)) continue
    const danger = mark.state === 'sos' || mark.state === 'mandown'
    const must = danger || mark.selected
    const eastward = mark.courseDeg > 50 && mark.courseDeg < 130
    if (now.crowded && !must) continue
    const [x, y] = [screenX(view, mark.x) + reachPx(mark) + (eastward ? 16 : mark.selected ? 8 : 3), screenY(view, mark.y)]
    const old = mark.contact !== 'online' || look.cut
    const lines = [`${danger && mark.state === 'sos' ? 'SOS ' : ''}${mark.meta.callsign}`, ...(old ? [ageText(mark.ageS)] : [])]
    g.font = `600 14px ${FONT}`
    const width = Math.max(...lines.map((line) => widthOf(g, line)))
    const height = 18 * lines.length
    const box: [number, number, number, number] = [x - (danger ? 6 : 0), y - height / 2 - 2, x + width + (danger ? 8 : 2), y + height / 2 + 2]
    if (!must && taken.some((other) => overlaps(box, other))) continue
    taken.push(box)
    room -= 1
    const plate = mark.state === 'sos' ? '#c8102e' : mark.state === 'mandown' ? '#9a4a00' : undefined
    lines.forEach((line, row) => {
      const middle = y + 18 * (row - (lines.length - 1) / 2) + (plate && row > 0 ? 3 : 0)
      label(g, x, middle, line, look, { ink: row === 1 ? inks.muted : inks.text, bold: true, plate: row === 0 ? plate : undefined })
    })
  }
}

const widths = new Map<string, number>()

function widthOf(g: CanvasRenderingContext2D, text: string): number {
  let width = widths.get(text)
  if (width === undefined) {
    if (widths.size > 20_000) widths.clear()
    widths.set(text, (width = g.measureText(text).width))
  }
  return width
}

const overlaps = (a: readonly number[], b: readonly number[]): boolean =>
  a[0]! < b[2]! && b[0]! < a[2]! && a[1]! < b[3]! && b[1]! < a[3]!

interface Style { ink: string; bold?: boolean; align?: 'left' | 'right'; plate?: string | undefined }

function label(g: CanvasRenderingContext2D, x: number, y: number, text: string, look: Look, style: Style): void {
  g.font = `${style.bold ? 600 : 400} 14px ${FONT}`
  g.textAlign = style.align ?? 'left'
  g.textBaseline = 'middle'
  if (style.plate) {
    g.fillStyle = style.plate
    g.fillRect(x - 5, y - 11, widthOf(g, text) + 10, 21)
    g.fillStyle = '#ffffff'
  } else {
    g.lineWidth = 3.5
    g.lineJoin = 'round'
    g.strokeStyle = INKS[look.theme].halo
    g.strokeText(text, x, y)
    g.fillStyle = style.ink
  }
  g.fillText(text, x, y)
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
  label(g, x + 4, y - 13, metresText(metres), look, { ink: inks.muted })
}
