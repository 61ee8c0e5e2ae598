/** Drawings, dropped files, the grid and the shape under the hand, as strokes on a canvas in CSS pixels. Muted: danger alone is vivid. */
import type { Drawing } from '../feed/ground'
import type { Position } from '../feed/safety'
import type { FileLayer } from '../files/layer'
import { areaM2, lengthM, ringAround, sectorRing } from '../laws/geo'
import { angleText, areaText, distanceText, type AngleStyle, type PlaceStyle } from '../laws/places'
import { placeOf, utmOf } from '../laws/utm'
import type { Theme } from '../tokens'
import { FONT } from '../map/ground'
import { latOf, lonOf, mercatorX, mercatorY, screenX, screenY, type View } from '../map/view'
import { isMeasure, legsOf, type Hand } from './hand'

type G = CanvasRenderingContext2D
type Xy = [number, number]

export const INKS: Record<Theme, Record<string, string>> = {
  night: { plain: '#c9d3dc', blue: '#8fb8e0', green: '#9cc7a6', brown: '#cdb08a', violet: '#bda9d8' },
  day: { plain: '#38434d', blue: '#27598c', green: '#2f6b45', brown: '#74502a', violet: '#5d4488' },
  red: { plain: '#ff0000', blue: '#d00000', green: '#d00000', brown: '#d00000', violet: '#d00000' },
}
const HALO: Record<Theme, string> = { night: '#12161b', day: '#f4f6f7', red: '#000000' }
const HAND: Record<Theme, string> = { night: '#6cb8ff', day: '#0a5fb0', red: '#ff0000' }
const GRID: Record<Theme, string> = { night: 'rgba(160,176,190,0.34)', day: 'rgba(60,76,90,0.34)', red: 'rgba(255,0,0,0.34)' }

export const at = (view: View, [lon, lat]: Position): Xy => [screenX(view, mercatorX(lon)), screenY(view, mercatorY(lat))]

function path(g: G, view: View, points: readonly Position[], close = false): void {
  points.forEach((point, i) => {
    const [x, y] = at(view, point)
    if (i === 0) g.moveTo(x, y)
    else g.lineTo(x, y)
  })
  if (close) g.closePath()
}

function plate(g: G, x: number, y: number, text: string, ink: string, halo: string, align: CanvasTextAlign = 'left'): void {
  if (text === '') return
  g.font = `600 14px ${FONT}`
  g.textAlign = align
  g.textBaseline = 'middle'
  g.lineWidth = 4
  g.lineJoin = 'round'
  g.strokeStyle = halo
  g.strokeText(text, x, y)
  g.fillStyle = ink
  g.fillText(text, x, y)
}

// --- drawings

export function drawDrawing(g: G, view: View, drawing: Drawing, theme: Theme): void {
  const ink = INKS[theme][drawing.ink] ?? INKS[theme].plain!
  const { geometry, kind } = drawing
  g.strokeStyle = ink
  g.lineWidth = 2.5
  g.setLineDash(drawing.rev === 0 ? [2, 3] : [])
  if (geometry.type === 'LineString') line(g, view, geometry.coordinates, kind === 'arrow', ink)
  else if (geometry.type === 'Polygon') area(g, view, geometry.coordinates, ink)
  else if (geometry.type === 'Point') {
    if (kind === 'point') drawSign(g, at(view, geometry.coordinates), drawing.sign, ink, HALO[theme])
    else rings(g, view, geometry.coordinates, drawing, ink, HALO[theme])
  }
  g.setLineDash([])
  const [x, y] = labelAt(view, drawing)
  plate(g, x, y, drawing.words, ink, HALO[theme], kind === 'area' ? 'center' : 'left')
}

function labelAt(view: View, { geometry, kind }: Drawing): Xy {
  if (geometry.type === 'Point') {
    const [x, y] = at(view, geometry.coordinates)
    return [x + 15, kind === 'point' ? y : y - 14]
  }
  const points = geometry.type === 'LineString' ? geometry.coordinates : geometry.type === 'Polygon' ? geometry.coordinates[0]! : []
  if (kind === 'area') {
    const all = points.slice(1).map((point) => at(view, point))
    return [all.reduce((sum, [x]) => sum + x, 0) / (all.length || 1), all.reduce((sum, [, y]) => sum + y, 0) / (all.length || 1)]
  }
  const [x, y] = at(view, points[Math.floor((points.length - 1) / 2)] ?? [0, 0])
  return [x + 8, y - 12]
}

function line(g: G, view: View, points: readonly Position[], arrow: boolean, ink: string): void {
  g.beginPath()
  path(g, view, points)
  g.stroke()
  if (!arrow || points.length < 2) return
  const [tip, before] = [at(view, points[points.length - 1]!), at(view, points[points.length - 2]!)]
  const a = Math.atan2(tip[1] - before[1], tip[0] - before[0])
  g.beginPath()
  g.moveTo(tip[0], tip[1])
  for (const side of [-1, 1]) g.lineTo(tip[0] - 18 * Math.cos(a + side * 0.42), tip[1] - 18 * Math.sin(a + side * 0.42))
  g.closePath()
  g.fillStyle = ink
  g.fill()
}

function area(g: G, view: View, lines: readonly Position[][], ink: string): void {
  g.beginPath()
  for (const ring of lines) path(g, view, ring, true)
  g.globalAlpha *= 0.13
  g.fillStyle = ink
  g.fill('evenodd')
  g.globalAlpha /= 0.13
  g.stroke()
}

function rings(g: G, view: View, centre: Position, { kind, radii_m, from_deg, to_deg }: Drawing, ink: string, halo: string): void {
  const [x, y] = at(view, centre)
  g.beginPath()
  g.moveTo(x - 7, y)
  g.lineTo(x + 7, y)
  g.moveTo(x, y - 7)
  g.lineTo(x, y + 7)
  g.stroke()
  if (kind === 'sector') return area(g, view, [sectorRing(centre, radii_m[0]!, from_deg ?? 0, to_deg ?? 360)], ink)
  for (const metres of radii_m) {
    const ring = ringAround(centre, metres)
    g.strokeStyle = ink // the plate of the ring before left its own
    g.lineWidth = 2.5
    g.beginPath()
    path(g, view, ring)
    g.stroke()
    const [lx, ly] = at(view, ring[0]!)
    plate(g, lx, ly, distanceText(metres), ink, halo, 'center')
  }
}

/** Our own few signs; full ones, so that they do not look like units, which have frames. */
const SIGNS: Record<string, (g: G, x: number, y: number) => void> = {
  dot: (g, x, y) => g.arc(x, y, 7, 0, 2 * Math.PI),
  square: (g, x, y) => g.rect(x - 7, y - 7, 14, 14),
  triangle: (g, x, y) => polygon(g, x, y, [[0, -9], [9, 7], [-9, 7]]),
  star: (g, x, y) => polygon(g, x, y, Array.from({ length: 10 }, (_, i): Xy => [(i % 2 ? 4 : 10) * Math.sin((i * Math.PI) / 5), -(i % 2 ? 4 : 10) * Math.cos((i * Math.PI) / 5)])),
  cross: (g, x, y) => polygon(g, x, y, [[-3, -9], [3, -9], [3, -3], [9, -3], [9, 3], [3, 3], [3, 9], [-3, 9], [-3, 3], [-9, 3], [-9, -3], [-3, -3]]),
  flag: (g, x, y) => polygon(g, x, y, [[0, 0], [0, -18], [14, -13], [2, -8], [2, 0]]),
  door: (g, x, y) => polygon(g, x, y, [[-6, 9], [-6, -9], [6, -9], [6, 9], [3, 9], [3, -6], [-3, -6], [-3, 9]]),
  water: (g, x, y) => { g.moveTo(x, y - 10); g.bezierCurveTo(x + 9, y, x + 7, y + 9, x, y + 9); g.bezierCurveTo(x - 7, y + 9, x - 9, y, x, y - 10) },
  camera: (g, x, y) => polygon(g, x, y, [[-9, -6], [3, -6], [3, -2], [9, -6], [9, 6], [3, 2], [3, 6], [-9, 6]]),
  pad: (g, x, y) => polygon(g, x, y, [[-8, -9], [-4, -9], [-4, -2], [4, -2], [4, -9], [8, -9], [8, 9], [4, 9], [4, 2], [-4, 2], [-4, 9], [-8, 9]]),
}

function polygon(g: G, x: number, y: number, points: Xy[]): void {
  points.forEach(([dx, dy], i) => (i === 0 ? g.moveTo(x + dx, y + dy) : g.lineTo(x + dx, y + dy)))
  g.closePath()
}

export function drawSign(g: G, [x, y]: Xy, sign: string, ink: string, halo: string): void {
  g.beginPath()
  ;(SIGNS[sign] ?? SIGNS.dot!)(g, x, y)
  g.lineWidth = 4
  g.strokeStyle = halo
  g.stroke()
  g.fillStyle = ink
  g.fill()
}

// --- dropped files

const FILE_INKS: Record<Theme, string[]> = { night: ['#a9bed0', '#c9b48f', '#a5c3ab'], day: ['#3b5770', '#6b5128', '#3a6349'], red: ['#ff0000', '#d00000', '#d00000'] }
const NAMED_MAX = 200

export function drawFile(g: G, view: View, layer: FileLayer, index: number, theme: Theme): void {
  const ink = FILE_INKS[theme][index % 3]!
  let named = 0
  for (const { kind, rings: lines, name } of layer.shapes) {
    const first = lines[0]?.[0]
    if (!first) continue
    g.strokeStyle = ink
    g.lineWidth = 2
    if (kind === 'area') area(g, view, lines, ink)
    else if (kind === 'line') {
      g.beginPath()
      for (const one of lines) path(g, view, one)
      g.stroke()
    }
    const [x, y] = at(view, first)
    if (x < 0 || y < 0 || x > view.widthPx || y > view.heightPx) continue
    if (kind === 'point') drawSign(g, [x, y], 'dot', ink, HALO[theme])
    if (named++ < NAMED_MAX) plate(g, x + 12, y, name, ink, HALO[theme])
  }
}

// --- the hand

export function drawHand(g: G, view: View, now: Hand, ahead: Position | null, made: Drawing | null, theme: Theme, angle: AngleStyle): void {
  const ink = HAND[theme]
  if (made) drawDrawing(g, view, made, theme)
  const open = now.of === null && now.tool !== 'point' && now.tool !== 'rings' && now.tool !== 'sector' && now.tool !== 'control'
  const points = ahead && open && now.points.length > 0 ? [...now.points, ahead] : now.points
  g.strokeStyle = ink
  g.lineWidth = 2
  g.setLineDash([6, 4])
  g.beginPath()
  path(g, view, points, (now.tool === 'area' || now.tool === 'extent') && points.length > 2)
  g.stroke()
  g.setLineDash([])
  now.points.forEach((point, i) => {
    const [x, y] = at(view, point)
    g.beginPath()
    g.arc(x, y, i === now.picked ? 9 : 5, 0, 2 * Math.PI)
    g.fillStyle = i === now.picked ? HALO[theme] : ink
    g.fill()
    g.stroke()
  })
  if (isMeasure(now.tool)) measures(g, view, now, points, ink, HALO[theme], angle)
}

function measures(g: G, view: View, now: Hand, points: readonly Position[], ink: string, halo: string, angle: AngleStyle): void {
  legsOf(points).forEach(({ metres, bearingDeg }, i) => {
    const [a, b] = [at(view, points[i]!), at(view, points[i + 1]!)]
    if (Math.hypot(b[0] - a[0], b[1] - a[1]) > 60) plate(g, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, `${distanceText(metres)} ${angleText(bearingDeg, angle)}`, ink, halo, 'center')
  })
  const last = points[points.length - 1]
  if (!last || points.length < 2) return
  const [x, y] = at(view, last)
  const all = now.tool === 'extent' ? (points.length > 2 ? areaText(areaM2(points)) : '') : points.length > 2 ? `Σ ${distanceText(lengthM(points))}` : ''
  plate(g, x + 12, y - 14, all, ink, halo)
}

// --- the grid

const LINES_MAX = 40

export function drawGrid(g: G, view: View, style: PlaceStyle, theme: Theme): void {
  g.strokeStyle = GRID[theme]
  g.lineWidth = 1
  if (style === 'mgrs') utmGrid(g, view, theme)
  else degreeGrid(g, view, style, theme)
}

const WEST_EAST = (view: View): [number, number] => [lonOf(view.cx - view.widthPx / 2 / view.worldPx), lonOf(view.cx + view.widthPx / 2 / view.worldPx)]
const SOUTH_NORTH = (view: View): [number, number] => [latOf(view.cy + view.heightPx / 2 / view.worldPx), latOf(view.cy - view.heightPx / 2 / view.worldPx)]

/** Steps that read well: decimals, or whole minutes and seconds. */
const STEPS: Record<'decimal' | 'dms', number[]> = {
  decimal: [5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001],
  dms: [5, 2, 1, 1 / 2, 1 / 6, 1 / 12, 1 / 30, 1 / 60, 1 / 120, 1 / 360, 1 / 720, 1 / 1800, 1 / 3600],
}

function degreeGrid(g: G, view: View, style: 'decimal' | 'dms', theme: Theme): void {
  const [[west, east], [south, north]] = [WEST_EAST(view), SOUTH_NORTH(view)]
  const step = [...STEPS[style]].reverse().find((s) => (east - west) / s <= 9) ?? 5
  const text = (value: number, sides: [string, string]): string => {
    const side = value < 0 ? sides[1] : sides[0]
    if (style === 'decimal') return `${Number(Math.abs(value).toFixed(4))}° ${side}`
    const seconds = Math.round(Math.abs(value) * 3600)
    return `${Math.floor(seconds / 3600)}°${String(Math.floor(seconds / 60) % 60).padStart(2, '0')}′${seconds % 60 ? `${String(seconds % 60).padStart(2, '0')}″` : ''}${side}`
  }
  for (let i = Math.ceil(west / step), n = 0; i * step <= east && n < LINES_MAX; i++, n++) {
    const x = Math.round(screenX(view, mercatorX(i * step))) + 0.5
    stroke(g, x, 0, x, view.heightPx)
    small(g, x + 3, 30, text(i * step, ['E', 'W']), theme)
    g.strokeStyle = GRID[theme]
  }
  for (let i = Math.ceil(south / step), n = 0; i * step <= north && n < LINES_MAX; i++, n++) {
    const y = Math.round(screenY(view, mercatorY(i * step))) + 0.5
    stroke(g, 0, y, view.widthPx, y)
    small(g, 4, y + 10, text(i * step, ['N', 'S']), theme)
    g.strokeStyle = GRID[theme]
  }
}

/** Kilometre squares of the zone of the middle; their numbers are the two digits one reads out. */
function utmGrid(g: G, view: View, theme: Theme): void {
  const [[west, east], [south, north]] = [WEST_EAST(view), SOUTH_NORTH(view)]
  const middle = utmOf((west + east) / 2, (south + north) / 2)
  const corners = [[west, south], [east, south], [west, north], [east, north]].map(([lon, lat]) => utmOf(lon!, lat!, middle.zone))
  const span = (values: number[]): [number, number] => [Math.min(...values), Math.max(...values)]
  const [e0, e1] = span(corners.map(({ eastM }) => eastM))
  const [n0, n1] = span(corners.map(({ northM }) => northM))
  const step = [100, 1_000, 10_000, 100_000].find((s) => (e1 - e0) / s <= 14 && (n1 - n0) / s <= 14)
  if (!step || middle.north !== corners[0]!.north) return
  const xy = (eastM: number, northM: number): Xy => at(view, placeOf({ ...middle, eastM, northM }))
  const curve = (of: (t: number) => Xy): Xy => {
    g.beginPath()
    for (let i = 0; i <= 8; i++) g.lineTo(...of(i / 8))
    g.stroke()
    return of(0.02)
  }
  const digits = (metres: number): string => (step >= 1_000 ? String(Math.floor(metres / 1_000) % 100).padStart(2, '0') : String(Math.floor(metres / 100) % 1_000).padStart(3, '0'))
  for (let e = Math.ceil(e0 / step) * step; e <= e1; e += step) {
    const [x] = curve((t) => xy(e, n0 + (n1 - n0) * (1 - t)))
    small(g, x + 3, 30, digits(e), theme)
    g.strokeStyle = GRID[theme]
  }
  for (let n = Math.ceil(n0 / step) * step; n <= n1; n += step) {
    const [, y] = curve((t) => xy(e0 + (e1 - e0) * t, n))
    small(g, 4, y + 10, digits(n), theme)
    g.strokeStyle = GRID[theme]
  }
}

function stroke(g: G, x0: number, y0: number, x1: number, y1: number): void {
  g.beginPath()
  g.moveTo(x0, y0)
  g.lineTo(x1, y1)
  g.stroke()
}

function small(g: G, x: number, y: number, text: string, theme: Theme): void {
  g.font = `12px ${FONT}`
  g.textAlign = 'left'
  g.textBaseline = 'middle'
  g.lineWidth = 3
  g.strokeStyle = HALO[theme]
  g.strokeText(text, x, y)
  g.fillStyle = INKS[theme].plain!
  g.fillText(text, x, y)
  g.lineWidth = 1
}
