/**
 * What lies under a pixel. On the processor, with a grid that is made when somebody first asks after a change: a pointer
 * that moves over ten thousand units looks at a few of them.
 */
import type { Box } from './taken'

/** Something that was drawn with a place of its own. `fly`: a click goes to the unit instead of opening it here. */
export interface Hit extends Box { slot: number; fly?: boolean }

export const PICK_PX = 24
const CELL_PX = 32
const NONE = -1

export class PickGrid {
  private readonly columns: number
  private readonly rows: number
  private readonly first: Int32Array
  private readonly next: Int32Array

  /** Points in pixels of the view; those outside of it are in no cell. Later ones lie above earlier ones. */
  constructor(private readonly x: Float32Array, private readonly y: Float32Array, readonly slots: ArrayLike<number>, widthPx: number, heightPx: number) {
    this.columns = Math.max(1, Math.ceil(widthPx / CELL_PX))
    this.rows = Math.max(1, Math.ceil(heightPx / CELL_PX))
    this.first = new Int32Array(this.columns * this.rows).fill(NONE)
    this.next = new Int32Array(slots.length)
    for (let i = 0; i < slots.length; i++) {
      const [column, row] = [Math.floor(x[i]! / CELL_PX), Math.floor(y[i]! / CELL_PX)]
      if (!(column >= 0 && row >= 0 && column < this.columns && row < this.rows)) continue
      const cell = row * this.columns + column
      this.next[i] = this.first[cell]!
      this.first[cell] = i
    }
  }

  /** Places in `slots` of all within `px` of a pixel, the nearest first; of equals the one that lies above. */
  near(x: number, y: number, px: number): number[] {
    const found: { i: number; d: number }[] = []
    const clamp = (value: number, most: number): number => Math.min(most - 1, Math.max(0, Math.floor(value / CELL_PX)))
    for (let row = clamp(y - px, this.rows); row <= clamp(y + px, this.rows); row++) {
      for (let column = clamp(x - px, this.columns); column <= clamp(x + px, this.columns); column++) {
        for (let i = this.first[row * this.columns + column]!; i !== NONE; i = this.next[i]!) {
          const d = Math.hypot(this.x[i]! - x, this.y[i]! - y)
          if (d <= px) found.push({ i, d })
        }
      }
    }
    return found.sort((a, b) => a.d - b.d || b.i - a.i).map(({ i }) => i)
  }

  /** The nearest within reach and all that lie so near to it that they cover each other: the slots, what lies above first. */
  stack(x: number, y: number, coverPx: number): number[] {
    const nearest = this.near(x, y, PICK_PX)[0]
    if (nearest === undefined) return []
    return this.near(this.x[nearest]!, this.y[nearest]!, coverPx).sort((a, b) => b - a).map((i) => this.slots[i]!)
  }

  /** Slots within a box. */
  within({ x0, y0, x1, y1 }: Box): number[] {
    const found: number[] = []
    for (let i = 0; i < this.slots.length; i++) {
      if (this.x[i]! >= x0 && this.x[i]! <= x1 && this.y[i]! >= y0 && this.y[i]! <= y1) found.push(this.slots[i]!)
    }
    return found
  }
}

/** The hit drawn last lies above. */
export function hitAt(hits: readonly Hit[], x: number, y: number): Hit | undefined {
  return hits.findLast((hit) => x >= hit.x0 && x <= hit.x1 && y >= hit.y0 && y <= hit.y1)
}
