/**
 * Callsign and age beside each symbol, from the gravest down; one that would cover another goes to another side, then is only
 * its age, then is left out. Never one of somebody in danger or marked. Called by `strokes.ts`.
 */
import { floorText } from '../laws/inside'
import { ageText } from '../laws/words'
import { INKS, LINE_PX, lineWidth, plateOf, writeLine, type Inks, type Word } from './inks'
import type { Mark, Scene } from './scene'
import { isDanger, reachPx, type Look } from './look'
import type { Box, Taken } from './taken'
import { screenX, screenY, type View } from './view'

const LABELS_MAX = 300
/** A symbol's own place, which no other's words may cover. */
const SYMBOL_PX = 15

export function drawLabels(g: CanvasRenderingContext2D, view: View, now: Scene, isInView: (slot: number) => boolean, look: Look, taken: Taken): void {
  const inks = INKS[look.theme]
  const shown = now.marks.filter((mark) => isInView(mark.slot))
  if (!now.crowded) for (const mark of shown) taken.take(around(screenX(view, mark.x), screenY(view, mark.y), SYMBOL_PX))
  let room = LABELS_MAX
  for (let i = shown.length - 1; i >= 0 && room > 0; i--) {
    const mark = shown[i]!
    const must = isDanger(mark) || mark.selected || mark.chosen || mark.tasked
    if (now.crowded && !must) continue
    if (place(g, view, mark, wordsOf(mark, inks, look), must, inks, taken)) room -= 1
  }
}

export function wordsOf(mark: Mark, inks: Inks, look: Pick<Look, 'cut'>): Word[] {
  const { meta, state, ageS } = mark
  const ink = isDanger(mark) ? inks['on-plate'] : inks.text
  const old = mark.contact !== 'online' || look.cut
  const floor = floorText(meta.floor)
  return [
    { text: `${state === 'sos' ? 'SOS ' : ''}${meta.callsign}`, bold: true, ink },
    ...(floor ? [{ text: floor, bold: true, ink }] : []),
    { text: ageText(ageS), bold: old, ink: isDanger(mark) || old ? ink : inks.muted },
  ]
}

/** True when there was room. */
function place(g: CanvasRenderingContext2D, view: View, mark: Mark, words: Word[], must: boolean, inks: Inks, taken: Taken): boolean {
  const [x, y, reach] = [screenX(view, mark.x), screenY(view, mark.y), reachPx(mark)]
  const [eastward, westward] = [mark.courseDeg > 50 && mark.courseDeg < 130, mark.courseDeg > 230 && mark.courseDeg < 310]
  const width = lineWidth(g, words)
  const age = words.at(-1)!
  const right = x + reach + (eastward ? 16 : 5)
  const left = x - reach - (westward ? 16 : 5) - width
  const below: [number, number] = [x - width / 2, y + reach + 12]
  const ageWidth = lineWidth(g, [age])
  const ways: [number, number, Word[], number][] = [[right, y, words, width], [left, y, words, width], [...below, words, width], [x - ageWidth / 2, below[1], [age], ageWidth]]
  const isRoom = ([at, middle, , wide]: (typeof ways)[number]): boolean => at > 0 && at + wide < view.widthPx && taken.isFree(boxOf(at, middle, wide))
  const found = (must ? ways.slice(0, 3) : ways).find(isRoom) ?? (must ? ways[right + width < view.widthPx || left < 0 ? 0 : 1] : undefined)
  if (!found) return false
  const [at, middle, line, wide] = found
  taken.take(boxOf(at, middle, wide))
  writeLine(g, at, middle, line, inks, plateOf(inks, mark.state))
  return true
}

const boxOf = (x: number, y: number, width: number): Box => ({ x0: x - 4, y0: y - LINE_PX / 2, x1: x + width + 4, y1: y + LINE_PX / 2 })
export const around = (x: number, y: number, px: number): Box => ({ x0: x - px, y0: y - px, x1: x + px, y1: y + px })
