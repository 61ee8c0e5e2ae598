/** Which places of the screen have words already: a grid of bits, so that a label asks few cells and not all labels. */
const CELL_PX = 6

export interface Box { x0: number; y0: number; x1: number; y1: number }

export class Taken {
  private readonly columns: number
  private readonly rows: number
  private readonly cells: Uint8Array

  constructor(widthPx: number, heightPx: number) {
    this.columns = Math.max(1, Math.ceil(widthPx / CELL_PX))
    this.rows = Math.max(1, Math.ceil(heightPx / CELL_PX))
    this.cells = new Uint8Array(this.columns * this.rows)
  }

  /** What of the box is beyond the screen is free. */
  isFree(box: Box): boolean {
    return !this.each(box, (cell) => this.cells[cell] === 1)
  }

  take(box: Box): void {
    this.each(box, (cell) => {
      this.cells[cell] = 1
      return false
    })
  }

  private each({ x0, y0, x1, y1 }: Box, found: (cell: number) => boolean): boolean {
    const [left, right] = [Math.max(0, Math.floor(x0 / CELL_PX)), Math.min(this.columns - 1, Math.floor(x1 / CELL_PX))]
    const [top, bottom] = [Math.max(0, Math.floor(y0 / CELL_PX)), Math.min(this.rows - 1, Math.floor(y1 / CELL_PX))]
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) if (found(row * this.columns + column)) return true
    }
    return false
  }
}
