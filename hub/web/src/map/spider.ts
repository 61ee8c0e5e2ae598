/**
 * A stack that was clicked fans out, so that each of those who cover one another can be read and picked.
 *
 * Enters: how many, where, and the view. Leaves: places on two arcs, left and right, one below the other, because words need
 * width; lines lead back to where all are. Pure but for the drawing.
 */
import { around, wordsOf } from './labels'
import { INKS, lineWidth, plateOf, writeLine } from './inks'
import type { Hit } from './pick'
import type { Mark } from './scene'
import { isDanger, type Look } from './look'
import { drawDanger } from './strokes'
import type { View } from './view'

/** More are told as a number: whoever stands in a crowd is found by zooming in, or in the list. */
export const FAN_MAX = 20
const ROW_PX = 46
const ROOM_PX = 210

export interface Leg { x: number; y: number; left: boolean }

/** Where the legs of `count` end around a place of the view, moved so that all of them are seen. */
export function fanOut(count: number, x: number, y: number, view: Pick<View, 'widthPx' | 'heightPx'>): Leg[] {
  const sides = [Math.ceil(count / 2), Math.floor(count / 2)]
  const half = (Math.max(0, sides[0]! - 1) / 2) * ROW_PX
  const radius = Math.max(70, half + 24)
  const keep = (value: number, least: number, size: number): number => (size > 2 * least ? Math.min(size - least, Math.max(least, value)) : size / 2)
  const [midX, midY] = [keep(x, 70 + ROOM_PX, view.widthPx), keep(y, half + 30, view.heightPx)]
  return Array.from({ length: count }, (_, i) => {
    const left = i % 2 === 1
    const rows = sides[Number(left)]!
    const dy = (Math.floor(i / 2) - (rows - 1) / 2) * ROW_PX
    const dx = Math.max(60, Math.sqrt(Math.max(0, radius ** 2 - dy ** 2)) * 0.8)
    return { x: midX + (left ? -dx : dx), y: midY + dy, left }
  })
}

/** `symbol` draws a unit's sign with its middle at a pixel. The first mark is the gravest and stands on top. */
export function drawFan(
  g: CanvasRenderingContext2D, x: number, y: number, marks: readonly Mark[], more: number, view: View, look: Look,
  symbol: (mark: Mark, x: number, y: number) => void,
): Hit[] {
  const inks = INKS[look.theme]
  const legs = fanOut(marks.length, x, y, view)
  g.fillStyle = look.theme === 'night' ? 'rgba(10,14,18,0.6)' : 'rgba(250,251,252,0.7)'
  const [xs, ys] = [legs.map((leg) => leg.x), legs.map((leg) => leg.y)]
  const [left, top] = [Math.min(x, ...xs) - ROOM_PX, Math.min(y, ...ys) - ROW_PX]
  g.fillRect(left, top, Math.max(x, ...xs) + ROOM_PX - left, Math.max(y, ...ys) + ROW_PX - top)
  for (const [width, ink] of [[4, inks.halo], [1.5, inks.text]] as const) {
    g.beginPath()
    for (const leg of legs) {
      g.moveTo(x, y)
      g.lineTo(leg.x, leg.y)
    }
    g.lineWidth = width
    g.strokeStyle = ink
    g.stroke()
  }
  if (more > 0) writeLine(g, x - 12, y, [{ text: `+${more}`, bold: true }], inks, inks.plate)
  return marks.map((mark, i) => {
    const { x: px, y: py, left: isLeft } = legs[i]!
    symbol(mark, px, py)
    if (isDanger(mark)) drawDanger(g, px, py, mark, { ...look, small: true })
    const words = wordsOf(mark, inks, look)
    const width = lineWidth(g, words)
    const from = isLeft ? px - 30 - width : px + 30
    writeLine(g, from, py, words, inks, plateOf(inks, mark.state) ?? inks.plate)
    const box = around(px, py, 22)
    return { ...box, x0: Math.min(box.x0, from - 5), x1: Math.max(box.x1, from + width + 5), slot: mark.slot }
  })
}
