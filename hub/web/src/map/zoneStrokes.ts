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
  drawLayer(g, view, now.signal, theme)
  drawLayer(g, view, now.search, theme)
  for (const zone of now.zones) drawZone(g, view, zone, theme)
  if (now.drawing) drawHand(g, view, now.drawing, now.pointer, theme)
}

function drawLayer(g: CanvasRenderingContext2D, view: View, layer: Layer | null, theme: Theme): void {
  for (const { geometry, properties } of layer?.features ?? []) {
    const share = [properties.share, properties.pod, properties.level].find((value) => typeof value === 'number')
    const path = pathOf(view, ringsOf(geometry))
    g.fillStyle = `rgba(${INKS[theme].plain},${(0.08 + 0.4 * Math.min(1, Math.max(0, share ?? 0.5))).toFixed(2)})`
    g.fill(path, 'evenodd')
    g.strokeStyle = `rgba(${INKS[theme].plain},0.35)`
    g.lineWidth = 1
    g.stroke(path)
  }
}

function drawZone(g: CanvasRenderingContext2D, view: View, zone: ZoneMessage, theme: Theme): void {
  const rings = zone.now ? ringsOf(zone.now) : []
  const outer = rings[0]
  if (!outer || outer.length < 3) return
  const inks = INKS[theme]
  const ink = zone.kind === 'danger' ? inks.danger : zone.kind === 'cordon' ? inks.cordon : zone.kind === 'warning' ? inks.warning : inks.plain
  const path = pathOf(view, rings)
  g.fillStyle = `rgba(${ink},${zone.kind === 'danger' ? 0.1 : 0.05})`
  g.fill(path, 'evenodd')
  if (zone.kind === 'danger') hatch(g, view, path, ink)
  g.strokeStyle = `rgba(${ink},0.9)`
  g.lineWidth = zone.kind === 'danger' ? 2.5 : 1.6
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
  g.clip(path, 'evenodd')
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
