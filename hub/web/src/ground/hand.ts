/**
 * What a person draws or measures on the map now, click by click; and what is done with it.
 *
 * Enters: clicks in WGS-84 from the map. Leaves: the shape under the hand; drawings to the hub, or kept on this screen when this
 * person may not draw for others. Undo and redo are this person's own acts, UNDO_MAX of them.
 */
import { signal } from '@preact/signals'
import { ask } from '../api/http'
import { clock } from '../app/core'
import { drawings, hooks, takeGround } from '../app/ground'
import { has } from '../app/parts'
import { me, may } from '../app/session'
import { decodeDrawing, type Drawing, type DrawingKind } from '../feed/ground'
import { isRecord } from '../feed/raw'
import type { Geometry, Position } from '../feed/safety'
import { leg } from '../laws/geo'

const UNDO_MAX = 100
const CORNERS_MAX = 2_000
const LOCAL_MAX = 500
/** A corner is taken up within this of the pointer. */
const PICK_PX = 16

export type Tool = 'distance' | 'extent' | DrawingKind | 'control'
export interface Hand {
  tool: Tool
  points: Position[]
  /** The drawing that is being changed. */
  of: Drawing | null
  /** Which corner the next click moves. */
  picked: number | null
}

export const hand = signal<Hand | null>(null)
/** Where the pointer is while something is drawn. */
export const ahead = signal<Position | null>(null)
/** What one says of the next drawing. */
export const words = signal('')
export const ink = signal('plain')
export const sign = signal('dot')
export const radii = signal('500, 1000, 2000')
export const bearings = signal<[number, number]>([0, 90])
export const own = signal(false)
/** Why the last act by key was not done, '' when it was. */
export const keyTrouble = signal('')

/** Points that a plan's placing asks for, and who takes them. */
export const controlTaker = signal<((at: Position) => void) | null>(null)

interface Act { id: string; before: Drawing | null; after: Drawing | null }
export const done = signal<Act[]>([])
export const undone = signal<Act[]>([])

const needed = (tool: Tool): number => (tool === 'point' || tool === 'rings' || tool === 'sector' ? 1 : tool === 'extent' || tool === 'area' ? 3 : 2)
export const isWhole = (now: Hand | null): boolean => now !== null && now.points.length >= needed(now.tool)
export const isMeasure = (tool: Tool): boolean => tool === 'distance' || tool === 'extent'

export function begin(tool: Tool): void {
  hand.value = { tool, points: [], of: null, picked: null }
}

/** Change one that stands: its corners can be moved, its words anew. */
export function beginChange(drawing: Drawing): void {
  const { geometry, kind } = drawing
  const points = geometry.type === 'Point' ? [geometry.coordinates] : geometry.type === 'LineString' ? geometry.coordinates : geometry.type === 'Polygon' ? geometry.coordinates[0]!.slice(0, -1) : []
  words.value = drawing.words
  ink.value = drawing.ink
  sign.value = drawing.sign
  own.value = drawing.agency !== ''
  if (drawing.radii_m.length > 0) radii.value = drawing.radii_m.join(', ')
  if (drawing.from_deg !== null && drawing.to_deg !== null) bearings.value = [drawing.from_deg, drawing.to_deg]
  hand.value = { tool: kind, points, of: drawing, picked: null }
}

export function stop(): void {
  hand.value = null
  ahead.value = null
  controlTaker.value = null
}

export function undoPoint(): void {
  const now = hand.peek()
  if (now && now.of === null) hand.value = { ...now, points: now.points.slice(0, -1) }
}

/** A click on the map; whether it was for the hand. `px`: pixels between two places there. */
export function click(at: Position, px: (a: Position, b: Position) => number): boolean {
  const now = hand.peek()
  if (!now) return false
  if (now.tool === 'control') {
    controlTaker.peek()?.(at)
    return true
  }
  if (now.of !== null) hand.value = moved(now, at, px)
  else if (needed(now.tool) === 1) hand.value = { ...now, points: [at] }
  else if (now.points.length < CORNERS_MAX) hand.value = { ...now, points: [...now.points, at] }
  return true
}

/** The first click takes up the nearest corner, the second puts it down. */
function moved(now: Hand, at: Position, px: (a: Position, b: Position) => number): Hand {
  if (now.points.length === 1) return { ...now, points: [at] }
  if (now.picked !== null) return { ...now, points: now.points.map((point, i) => (i === now.picked ? at : point)), picked: null }
  const near = now.points.map((point, i) => ({ i, far: px(point, at) })).sort((a, b) => a.far - b.far)[0]
  return near && near.far <= PICK_PX ? { ...now, picked: near.i } : now
}

export function radiiM(): number[] {
  return radii.value.split(/[\s,，、;；]+/).map(Number).filter((m) => m > 0 && m <= 200_000).slice(0, 12)
}

function geometryOf(kind: DrawingKind, points: Position[]): Geometry {
  if (kind === 'area') return { type: 'Polygon', coordinates: [[...points, points[0]!]] }
  if (kind === 'line' || kind === 'arrow') return { type: 'LineString', coordinates: points }
  return { type: 'Point', coordinates: points[0]! }
}

/** The drawing under the hand as it would be kept; null while it is not whole. */
export function drawn(now: Hand | null): Drawing | null {
  if (!now || !isWhole(now) || isMeasure(now.tool) || now.tool === 'control') return null
  const kind = now.tool as DrawingKind
  const rings = kind === 'rings' ? radiiM() : kind === 'sector' ? radiiM().slice(0, 1) : []
  if ((kind === 'rings' || kind === 'sector') && rings.length === 0) return null
  const [from, to] = kind === 'sector' ? bearings.value : [null, null]
  return {
    id: now.of?.id ?? '', kind, geometry: geometryOf(kind, now.points), words: words.value.trim().slice(0, 200), sign: sign.value, ink: ink.value,
    radii_m: rings, from_deg: from, to_deg: to, agency: own.value ? '*' : '', by: me.peek()?.name ?? '', t_utc_ms: Math.round(clock.now()) || 0, rev: now.of?.rev ?? 0,
  }
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return [...bytes].map((byte) => byte.toString(36).padStart(2, '0')).join('')
}

/** Whether what is drawn goes to the hub; else it stays on this screen. */
export const isShared = (): boolean => may('zones') && has('drawings')

export async function keep(): Promise<void> {
  const shape = drawn(hand.peek())
  if (!shape) return
  const made = { ...shape, id: shape.id || newId() }
  const before = hand.peek()!.of
  const after = await put(made)
  remember({ id: made.id, before, after })
  words.value = ''
  stop()
}

export async function remove(drawing: Drawing): Promise<void> {
  await drop(drawing)
  remember({ id: drawing.id, before: drawing, after: null })
}

function remember(act: Act): void {
  done.value = [...done.peek(), act].slice(-UNDO_MAX)
  undone.value = []
}

export const undo = (): Promise<void> => turn(done, undone, ({ before }) => before)
export const redo = (): Promise<void> => turn(undone, done, ({ after }) => after)

/** The last act goes from one list to the other. When somebody else was faster the hub refuses, and the act is forgotten. */
async function turn(from: typeof done, to: typeof done, wanted: (act: Act) => Drawing | null): Promise<void> {
  const act = from.peek()[from.peek().length - 1]
  if (!act) return
  from.value = from.peek().slice(0, -1)
  const standing = drawings.peek().find(({ id }) => id === act.id)
  const want = wanted(act)
  if (want) await put({ ...want, rev: standing?.rev ?? 0 })
  else if (standing) await drop(standing)
  to.value = [...to.peek(), act].slice(-UNDO_MAX)
}

/** To the hub, or to this screen's own. */
async function put(drawing: Drawing): Promise<Drawing> {
  if (!isShared()) {
    const mine = drawings.peek().filter(({ id, rev }) => rev === 0 && id !== drawing.id).length
    if (mine < LOCAL_MAX) takeGround({ k: 'drawing', drawings: [{ ...drawing, rev: 0 }], gone: [] })
    return drawing
  }
  const { kind, words: said, sign: mark, ink: colour, radii_m, from_deg, to_deg } = drawing
  const properties = { kind, words: said, sign: mark, ink: colour, radii_m, from_deg, to_deg, own: drawing.agency !== '' }
  const answer = await ask<unknown>('PUT', `/drawings/${encodeURIComponent(drawing.id)}`, { type: 'Feature', geometry: drawing.geometry, properties, rev: drawing.rev })
  const kept = fromFeature(answer) ?? drawing
  takeGround({ k: 'drawing', drawings: [kept], gone: [] })
  return kept
}

async function drop(drawing: Drawing): Promise<void> {
  if (drawing.rev > 0) await ask('DELETE', `/drawings/${encodeURIComponent(drawing.id)}?rev=${drawing.rev}`)
  takeGround({ k: 'drawing', drawings: [], gone: [drawing.id] })
}

function fromFeature(answer: unknown): Drawing | null {
  if (!isRecord(answer) || !isRecord(answer.properties)) return null
  return decodeDrawing({ ...answer.properties, id: answer.id, geometry: answer.geometry })
}

/** What the measured shape says: its legs, all together. */
export function legsOf(points: readonly Position[]): { metres: number; bearingDeg: number }[] {
  return points.slice(1).map((to, i) => leg(points[i]!, to))
}

hooks.busy = () => hand.peek() !== null
