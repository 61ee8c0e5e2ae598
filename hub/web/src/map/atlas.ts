/** Every symbol of the map in one image, drawn at start and when the theme changes. */
import { BRANCHES, KINDS, type Branch, type Kind } from '../feed/messages'
import type { Contact } from '../laws/contact'
import { SYMBOL_COLOURS, type SymbolColours, type Theme } from '../tokens'
import { BRANCH_GLYPHS, KIND_FRAMES, REPORTED_SCALE } from './glyphs'

export const CELL_PX = 40
export const COLUMNS = 12
const FRAME_PX = 36
const DRAWN: Exclude<Contact, 'unheard'>[] = ['online', 'stale', 'lost']
const DOTS_AT = KINDS.length * BRANCHES.length * DRAWN.length
/** What others report: a kind and a contact; no branch is known. */
const REPORTED_AT = DOTS_AT + DRAWN.length
/** Room for symbols of others' standards, each in three contacts; `foreign.ts` draws them. */
export const FOREIGN_AT = REPORTED_AT + KINDS.length * DRAWN.length
export const FOREIGN_MAX = 32
const CELLS = FOREIGN_AT + FOREIGN_MAX * DRAWN.length
export const ROWS = Math.ceil(CELLS / COLUMNS)

export function cellOf(kind: Kind, branch: Branch, contact: Contact, reported = false): number {
  if (reported) return REPORTED_AT + KINDS.indexOf(kind) * DRAWN.length + drawn(contact)
  return (KINDS.indexOf(kind) * BRANCHES.length + BRANCHES.indexOf(branch)) * DRAWN.length + drawn(contact)
}

export function dotOf(contact: Contact): number {
  return DOTS_AT + drawn(contact)
}

/** A unit that was never heard has no position; should one have, it is drawn as lost. */
function drawn(contact: Contact): number {
  return contact === 'unheard' ? 2 : DRAWN.indexOf(contact)
}

export function drawAtlas(theme: Theme, dpr: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  canvas.width = COLUMNS * CELL_PX * dpr
  canvas.height = ROWS * CELL_PX * dpr
  const g = canvas.getContext('2d')!
  const colours = SYMBOL_COLOURS[theme]
  const at = (cell: number): void => {
    g.setTransform(dpr, 0, 0, dpr, (cell % COLUMNS) * CELL_PX * dpr, Math.floor(cell / COLUMNS) * CELL_PX * dpr)
    g.translate((CELL_PX - FRAME_PX) / 2, (CELL_PX - FRAME_PX) / 2)
  }
  for (const kind of KINDS) {
    for (const branch of BRANCHES) {
      for (const contact of DRAWN) {
        at(cellOf(kind, branch, contact))
        frame(g, new Path2D(KIND_FRAMES[kind]), contact, colours)
        glyph(g, branch, contact, colours)
      }
    }
  }
  for (const kind of KINDS) {
    for (const contact of DRAWN) {
      at(cellOf(kind, 'other', contact, true))
      reportedFrame(g, new Path2D(KIND_FRAMES[kind]), contact, colours)
    }
  }
  for (const contact of DRAWN) {
    at(dotOf(contact))
    dot(g, contact, colours)
  }
  return canvas
}

function frame(g: CanvasRenderingContext2D, path: Path2D, contact: Contact, c: SymbolColours): void {
  g.lineJoin = 'round'
  g.setLineDash([])
  g.strokeStyle = c.edge
  g.lineWidth = 4
  g.stroke(path)
  g.fillStyle = contact === 'online' ? c.full : c.hollow
  g.fill(path)
  if (contact === 'online') return
  if (contact === 'stale') {
    g.save()
    g.clip(path)
    g.globalAlpha = 0.42
    g.fillStyle = c.full
    g.fillRect(0, 0, FRAME_PX / 2, FRAME_PX)
    g.restore()
  } else {
    g.setLineDash([4, 3.2])
  }
  g.strokeStyle = c.line
  g.lineWidth = 2
  g.stroke(path)
  g.setLineDash([])
}

/** Hollow whatever its contact, in a dotted outer line: somebody else saw it, no device of ours is there. */
function reportedFrame(g: CanvasRenderingContext2D, path: Path2D, contact: Contact, c: SymbolColours): void {
  g.lineJoin = 'round'
  g.strokeStyle = c.edge
  g.lineWidth = 4
  g.setLineDash([])
  g.stroke(path)
  g.fillStyle = c.hollow
  g.fill(path)
  g.strokeStyle = c.line
  g.lineWidth = 2
  g.setLineDash([2, 3])
  g.stroke(path)
  g.save()
  g.translate(FRAME_PX / 2, FRAME_PX / 2)
  g.scale(REPORTED_SCALE, REPORTED_SCALE)
  g.translate(-FRAME_PX / 2, -FRAME_PX / 2)
  if (contact === 'stale') {
    g.save()
    g.clip(path)
    g.globalAlpha = 0.42
    g.fillStyle = c.full
    g.fillRect(0, 0, FRAME_PX / 2, FRAME_PX)
    g.restore()
  }
  g.setLineDash(contact === 'lost' ? [6, 5] : [])
  g.strokeStyle = contact === 'online' ? c.ink : c.line
  g.lineWidth = 4
  g.stroke(path)
  g.restore()
  g.setLineDash([])
}

function glyph(g: CanvasRenderingContext2D, branch: Branch, contact: Contact, c: SymbolColours): void {
  const { d, filled } = BRANCH_GLYPHS[branch]
  const path = new Path2D(d)
  g.save()
  g.translate(9, 9)
  g.scale(0.75, 0.75)
  g.lineCap = 'round'
  if (contact !== 'online') {
    g.strokeStyle = c.hollow
    g.lineWidth = filled ? 3.5 : 6
    g.stroke(path)
  }
  const ink = contact === 'online' ? c.onFull : c.ink
  g.fillStyle = g.strokeStyle = ink
  g.lineWidth = 2.8
  if (filled) g.fill(path)
  else g.stroke(path)
  g.restore()
}

/** For crowds: 10 px, the same three shapes. */
function dot(g: CanvasRenderingContext2D, contact: Contact, c: SymbolColours): void {
  const path = new Path2D('M18 13.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z')
  g.setLineDash(contact === 'lost' ? [2, 1.6] : [])
  g.fillStyle = contact === 'online' ? c.full : c.hollow
  g.fill(path)
  // No edge of another colour: where many lie on each other, edges would be all that is seen.
  g.strokeStyle = contact === 'online' ? c.full : c.line
  g.lineWidth = 1.5
  g.stroke(path)
  if (contact === 'stale') {
    g.fillStyle = c.line
    g.fill(new Path2D('M18 13.5a4.5 4.5 0 0 0 0 9z'))
  }
}
