/**
 * Symbols of others' standards (MIL-STD-2525, APP-6), for units whose `meta` carries such a code.
 *
 * Enters: codes as units carry them. Leaves: cells at the end of the atlas. The library that draws them is large, so it is
 * loaded when the first code comes; until then, and for a code it does not know, our own sign stands there. One ink: frames
 * say by their shape whose somebody is, and colour is kept for danger. Bound: FOREIGN_MAX codes, later ones keep our sign.
 */
import type { Contact } from '../laws/contact'
import { CELL_PX, COLUMNS, FOREIGN_AT, FOREIGN_MAX } from './atlas'
import { SYMBOL_COLOURS, type Theme } from '../tokens'

type Library = typeof import('milsymbol')['default']

const DRAWN: Exclude<Contact, 'unheard'>[] = ['online', 'stale', 'lost']
const BOX_PX = 36

export class Foreign {
  private readonly codes: string[] = []
  private library: Library | null = null
  private asked = false

  /** @param onReady the library is here or a code is new: the atlas has to be drawn again */
  constructor(private readonly onReady: () => void) {}

  /** The cell of a code, undefined while there is none. */
  cellOf(sidc: string, contact: Contact): number | undefined {
    let i = this.codes.indexOf(sidc)
    if (i < 0) {
      if (this.codes.length === FOREIGN_MAX) return undefined
      i = this.codes.push(sidc) - 1
      if (this.library) queueMicrotask(this.onReady)
    }
    if (!this.asked) void this.load()
    return this.library && this.isKnown(sidc) ? FOREIGN_AT + i * DRAWN.length + (contact === 'unheard' ? 2 : DRAWN.indexOf(contact)) : undefined
  }

  /** Full is online, half stale, within a dashed frame lost: as our own. */
  drawInto(atlas: HTMLCanvasElement, theme: Theme, dpr: number): void {
    if (!this.library) return
    const g = atlas.getContext('2d')!
    const colours = SYMBOL_COLOURS[theme]
    this.codes.forEach((sidc, i) => {
      if (!this.isKnown(sidc)) return
      const drawing = new this.library!.Symbol(sidc, { size: 40, monoColor: colours.full, fill: false, strokeWidth: 7, outlineWidth: 5, outlineColor: colours.edge, infoFields: false }).asCanvas(dpr)
      DRAWN.forEach((contact, state) => {
        const cell = FOREIGN_AT + i * DRAWN.length + state
        g.setTransform(dpr, 0, 0, dpr, (cell % COLUMNS) * CELL_PX * dpr, Math.floor(cell / COLUMNS) * CELL_PX * dpr)
        g.clearRect(0, 0, CELL_PX, CELL_PX)
        put(g, drawing, contact, colours.line)
      })
    })
  }

  private isKnown(sidc: string): boolean {
    return new this.library!.Symbol(sidc).isValid() === true
  }

  private async load(): Promise<void> {
    this.asked = true
    this.library = (await import('milsymbol')).default
    this.onReady()
  }
}

function put(g: CanvasRenderingContext2D, drawing: HTMLCanvasElement, contact: Contact, line: string): void {
  const scale = Math.min(BOX_PX / drawing.width, BOX_PX / drawing.height)
  const [width, height] = [drawing.width * scale, drawing.height * scale]
  const [x, y] = [(CELL_PX - width) / 2, (CELL_PX - height) / 2]
  g.globalAlpha = contact === 'online' ? 1 : 0.55
  g.drawImage(drawing, x, y, width, height)
  g.globalAlpha = 1
  if (contact === 'stale') g.drawImage(drawing, 0, 0, drawing.width / 2, drawing.height, x, y, width / 2, height)
  if (contact !== 'lost') return
  g.setLineDash([4, 3.2])
  g.lineWidth = 2
  g.strokeStyle = line
  g.strokeRect(2, 2, CELL_PX - 4, CELL_PX - 4)
  g.setLineDash([])
}
