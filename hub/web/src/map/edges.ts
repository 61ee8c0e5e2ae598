/** Who calls for help outside the view is pointed at from its edge, with name and distance; a click flies there. */
import { metresText } from '../laws/words'
import { INKS, LINE_PX, lineWidth, writeLine, type Word } from './inks'
import type { Hit } from './pick'
import type { Mark, Scene } from './scene'
import { isDanger, type Look } from './look'
import type { Taken } from './taken'
import { latOf, lonOf, metresBetween, screenX, screenY, type View } from './view'

/** Arrows stay clear of the buttons at the edge. */
const INSET_PX = 86
/** A finger needs so much. */
const TARGET_PX = 44
/** Beyond so many they would be a fringe that nobody reads; the strip and the list have them all. */
export const ARROWS_MAX = 24

/** The gravest and the nearest first, so that these have their places. */
export function outside(now: Scene, view: View, isInView: (slot: number) => boolean): Mark[] {
  const far = (mark: Mark): number => Math.hypot(mark.x - view.cx, mark.y - view.cy)
  return now.marks.filter((mark) => isDanger(mark) && !isInView(mark.slot))
    .sort((a, b) => Number(b.state === 'sos') - Number(a.state === 'sos') || far(a) - far(b)).slice(0, ARROWS_MAX)
}

/** Where the line from the middle of the view to a place beyond it meets the inset. */
export function edgePoint(view: View, x: number, y: number): [number, number] {
  const [midX, midY] = [view.widthPx / 2, view.heightPx / 2]
  const [dx, dy] = [x - midX, y - midY]
  const [insetX, insetY] = [Math.min(INSET_PX, midX * 0.4), Math.min(INSET_PX, midY * 0.3)]
  const shrink = Math.min((midX - insetX) / Math.abs(dx || 1e-9), (midY - insetY) / Math.abs(dy || 1e-9))
  return [midX + dx * shrink, midY + dy * shrink]
}

export function drawEdges(g: CanvasRenderingContext2D, view: View, marks: readonly Mark[], look: Look, taken: Taken): Hit[] {
  const inks = INKS[look.theme]
  return marks.map((mark) => {
    const [x, y] = [screenX(view, mark.x), screenY(view, mark.y)]
    const [ex, ey] = edgePoint(view, x, y)
    arrow(g, ex, ey, Math.atan2(y - view.heightPx / 2, x - view.widthPx / 2), mark.state === 'sos' ? inks.sos : inks.high, inks.halo)
    const metres = metresBetween(latOf(view.cy), lonOf(view.cx), mark.lat, lonOf(mark.x))
    const words: Word[] = [{ text: `${mark.state === 'sos' ? 'SOS ' : ''}${mark.meta.callsign}`, bold: true }, { text: metresText(metres) }]
    const width = lineWidth(g, words)
    const left = ex > view.widthPx / 2 ? ex - 18 - width : ex + 28
    const row = rowFor(taken, left, ey, width, ey > view.heightPx / 2 ? -LINE_PX : LINE_PX)
    taken.take({ x0: left, y0: row - LINE_PX / 2, x1: left + width, y1: row + LINE_PX / 2 })
    writeLine(g, left, row, words, inks)
    const reach = TARGET_PX / 2
    return { x0: Math.min(left, ex - reach), y0: Math.min(row - 11, ey - reach), x1: Math.max(left + width, ex + reach), y1: Math.max(row + 11, ey + reach), slot: mark.slot, fly: true }
  })
}

function arrow(g: CanvasRenderingContext2D, x: number, y: number, angle: number, ink: string, halo: string): void {
  g.save()
  g.translate(x, y)
  g.rotate(angle)
  g.beginPath()
  g.moveTo(24, 0)
  g.lineTo(-4, 15)
  g.lineTo(-4, -15)
  g.closePath()
  g.lineJoin = 'round'
  g.lineWidth = 5
  g.strokeStyle = halo
  g.stroke()
  g.fillStyle = ink
  g.fill()
  g.restore()
}

/** The nearest free line from `y` towards the middle of the view; the last one tried when all are taken. */
function rowFor(taken: Taken, x: number, y: number, width: number, step: number): number {
  let row = y
  for (let i = 0; i < ARROWS_MAX && !taken.isFree({ x0: x, y0: row - 9, x1: x + width, y1: row + 9 }); i++) row += step
  return row
}
