/** Colours and letters of all that the overlay draws in lines and words; of its symbols in `atlas.ts`. */
import { INKS, type Inks } from '../tokens'
import { FONT } from './ground'

export { INKS, type Inks }

/** Behind the words of somebody in danger, and those words. */
export const plateOf = (inks: Inks, state: string): string | undefined => (state === 'sos' ? inks['sos-plate'] : state === 'mandown' ? inks['high-plate'] : undefined)
export const GREY = '150,158,166'
export const TEXT_PX = 14
export const LINE_PX = 20

export const fontOf = (bold: boolean): string => `${bold ? 600 : 400} ${TEXT_PX}px ${FONT}`

const WIDTHS_MAX = 20_000
const widths = new Map<string, number>()

/** Width of a word, px. Measuring is what costs most of a label, and words come again with each picture. */
export function widthOf(g: CanvasRenderingContext2D, text: string, bold: boolean): number {
  const key = bold ? `*${text}` : text
  let width = widths.get(key)
  if (width === undefined) {
    if (widths.size > WIDTHS_MAX) widths.clear()
    g.font = fontOf(bold)
    widths.set(key, (width = g.measureText(text).width))
  }
  return width
}

export interface Word { text: string; bold?: boolean; ink?: string }

const GAP_PX = 7

export const lineWidth = (g: CanvasRenderingContext2D, words: readonly Word[]): number =>
  words.reduce((sum, { text, bold = false }) => sum + widthOf(g, text, bold) + GAP_PX, -GAP_PX)

/** Words side by side from `x`, their middle at `y`: on a plate, or with a halo so that they can be read on any ground. */
export function writeLine(g: CanvasRenderingContext2D, x: number, y: number, words: readonly Word[], inks: Inks, plate?: string): void {
  g.textAlign = 'left'
  g.textBaseline = 'middle'
  if (plate) {
    g.fillStyle = plate
    g.fillRect(x - 5, y - 11, lineWidth(g, words) + 10, 22)
  }
  for (const { text, bold = false, ink = inks.text } of words) {
    g.font = fontOf(bold)
    if (!plate) {
      g.lineWidth = 3.5
      g.lineJoin = 'round'
      g.strokeStyle = inks.halo
      g.strokeText(text, x, y)
    }
    g.fillStyle = ink
    g.fillText(text, x, y)
    x += widthOf(g, text, bold) + GAP_PX
  }
}
