/**
 * Zones, layers and the zone under the hand, drawn below the symbols. Muted, but for danger: colour is for who is in danger.
 *
 * Danger is hatched as well as coloured, a doubt of its place dashed. Called by `overlay.ts` with a canvas in CSS pixels.
 */
import type { Layer } from '../app/layers'
import type { Geometry, Position, ZoneMessage } from '../feed/safety'
import { circleRing, radiusM, type Drawing } from '../laws/drawing'
import { ZONE_INKS as INKS, type Theme } from '../tokens'
import { FONT } from './ground'
import { mercatorX, mercatorY, screenX, screenY, type View } from './view'

export interface ZoneScene {
  zones: readonly ZoneMessage[]
  signal: Layer | null
  search: Layer | null
  drawing: Drawing | null
  pointer: Position | null
}

/** What a kind of zone is drawn like; all others plain. */
const LIKE: Record<string, 'danger' | 'cordon' | 'warning' | 'safe'> = {
  danger: 'danger', no_go: 'danger', hot: 'danger', warm: 'cordon', cordon: 'cordon', warning: 'warning', safe: 'safe', assembly: 'safe',
}
const HATCH_PX = 14
/** A zone smaller than this on the screen has no name: it would cover its neighbours'. */
const NAMED_PX = 36

const ringsOf = (geometry: Geometry): Position[][] =>
  geometry.type === 'Polygon' ? geometry.coordinates : geometry.type === 'MultiPolygon' ? geometry.coordinates.flat() : geometry.type === 'LineString' ? [geometry.coordinates] : []

function pathOf(view: View, rings: readonly Position[][]): Path2D {
  const path = new Path2D()
  for (const ring of rings) {
    ring.forEach(([lon, lat], i) => {
      const [x, y] = [screenX(view, mercatorX(lon)), screenY(view, mercatorY(lat))]
      if (i === 0) path.moveTo(x, y)
      else path.lineTo(x, y)
    })
    path.closePath()
  }
  return path
}

export function drawZones(g: CanvasRenderingContext2D, view: View, now: ZoneScene, theme: Theme): void {
  drawSignal(g, view, now.signal, theme)
  drawSearch(g, view, now.search, theme)
  for (const zone of now.zones) drawZone(g, view, zone, theme)
  if (now.drawing) drawHand(g, view, now.drawing, now.pointer, theme)
}

/** A hole is hatched and framed: units were there in vain. Where nobody was nothing is drawn at all. */
function drawSignal(g: CanvasRenderingContext2D, view: View, layer: Layer | null, theme: Theme): void {
  for (const { geometry, properties: { hole, up, down } } of layer?.features ?? []) {
    const path = pathOf(view, ringsOf(geometry))
    if (hole === true) {
      hatch(g, view, path, INKS[theme].cordon)
      outline(g, path, `rgba(${INKS[theme].cordon},0.8)`, [])
    } else {
      const share = typeof up === 'number' && typeof down === 'number' && up + down > 0 ? up / (up + down) : 0.5
      fill(g, path, INKS[theme].plain, 0.1 + 0.35 * share)
    }
  }
}

/** The more of a segment is searched, the denser it is; one that nobody searched is an empty frame. */
function drawSearch(g: CanvasRenderingContext2D, view: View, layer: Layer | null, theme: Theme): void {
  const inks = INKS[theme]
  for (const { geometry, properties: { pod, name } } of layer?.features ?? []) {
    const rings = ringsOf(geometry)
    const path = pathOf(view, rings)
    const found = typeof pod === 'number' ? Math.min(1, Math.max(0, pod)) : 0
    if (found > 0) fill(g, path, inks.plain, 0.08 + 0.45 * found)
    outline(g, path, `rgba(${inks.plain},0.9)`, [4, 4])
    const outer = rings[0] ?? []
    const xs = outer.map(([lon]) => screenX(view, mercatorX(lon)))
    if (outer.length < 3 || Math.max(...xs) - Math.min(...xs) < NAMED_PX) continue
    const ys = outer.map(([, lat]) => screenY(view, mercatorY(lat)))
    plate(g, (Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2, `${typeof name === 'string' ? name : ''} ${Math.round(found * 100)} %`, inks.text, inks.halo)
  }
}

function fill(g: CanvasRenderingContext2D, path: Path2D, ink: string, alpha: number): void {
  g.fillStyle = `rgba(${ink},${alpha.toFixed(2)})`
  g.fill(path, 'evenodd')
}

function outline(g: CanvasRenderingContext2D, path: Path2D, ink: string, dash: number[]): void {
  g.strokeStyle = ink
  g.lineWidth = 1.5
  g.setLineDash(dash)
  g.stroke(path)
  g.setLineDash([])
}

function drawZone(g: CanvasRenderingContext2D, view: View, zone: ZoneMessage, theme: Theme): void {
  const rings = zone.now ? ringsOf(zone.now) : []
  const outer = rings[0]
  if (!outer || outer.length < 3) return
  const inks = INKS[theme]
  const like = LIKE[zone.kind] ?? 'plain'
  const ink = inks[like]
  const path = pathOf(view, rings)
  g.fillStyle = `rgba(${ink},${like === 'danger' ? 0.1 : 0.05})`
  // Rings are right-handed, and what lies in two polygons of one zone is in it: never even-odd.
  g.fill(path, 'nonzero')
  if (like === 'danger') hatch(g, view, path, ink)
  g.strokeStyle = `rgba(${ink},0.9)`
  g.lineWidth = like === 'danger' ? 2.5 : 1.6
  g.setLineDash(zone.follows || zone.grows_mps > 0 ? [10, 4] : zone.kind === 'search' || zone.kind === 'sector' ? [4, 4] : [])
  g.stroke(path)
  g.setLineDash([])
  const xs = outer.map(([lon]) => screenX(view, mercatorX(lon)))
  if (Math.max(...xs) - Math.min(...xs) < NAMED_PX) return
  const top = outer.reduce((a, b) => (b[1] > a[1] ? b : a))
  const people = zone.inside.length + zone.unsure.length
  plate(g, screenX(view, mercatorX(top[0])), screenY(view, mercatorY(top[1])) - 10, `${zone.name}${people > 0 ? ` · ${zone.inside.length}${zone.unsure.length > 0 ? `+${zone.unsure.length}?` : ''}` : ''}`, inks.text, inks.halo)
}

function hatch(g: CanvasRenderingContext2D, view: View, path: Path2D, ink: string): void {
  g.save()
  g.clip(path, 'nonzero')
  g.beginPath()
  for (let x = -view.heightPx; x < view.widthPx; x += HATCH_PX) {
    g.moveTo(x, view.heightPx)
    g.lineTo(x + view.heightPx, 0)
  }
  g.strokeStyle = `rgba(${ink},0.28)`
  g.lineWidth = 1.5
  g.stroke()
  g.restore()
}

function plate(g: CanvasRenderingContext2D, x: number, y: number, text: string, ink: string, halo: string): void {
  g.font = `600 14px ${FONT}`
  g.textAlign = 'center'
  g.textBaseline = 'bottom'
  g.lineWidth = 3.5
  g.lineJoin = 'round'
  g.strokeStyle = halo
  g.strokeText(text, x, y)
  g.fillStyle = ink
  g.fillText(text, x, y)
}

/** What is drawn so far, and the edge that the next click would make. */
function drawHand(g: CanvasRenderingContext2D, view: View, drawing: Drawing, pointer: Position | null, theme: Theme): void {
  const ink = INKS[theme].hand
  const { shape, points } = drawing
  const open = shape === 'polygon' || points.length === 1
  const ahead = pointer && points.length > 0 && open ? [...points, pointer] : points
  const metres = shape === 'circle' && ahead.length === 2 ? radiusM({ shape, points: ahead }) : NaN
  g.strokeStyle = ink
  g.fillStyle = ink
  g.lineWidth = 2
  g.setLineDash([6, 4])
  if (shape === 'polygon' && ahead.length > 1) g.stroke(pathOf(view, [ahead]))
  if (!Number.isNaN(metres)) g.stroke(pathOf(view, [circleRing(ahead[0]!, metres)]))
  g.setLineDash([])
  for (const [lon, lat] of points) {
    g.beginPath()
    g.arc(screenX(view, mercatorX(lon)), screenY(view, mercatorY(lat)), 5, 0, 2 * Math.PI)
    g.fill()
  }
}
