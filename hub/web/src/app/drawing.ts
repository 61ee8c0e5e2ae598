/** The zone that is being drawn by clicks on the map. While it is, a click on the map picks nobody. */
import { signal } from '@preact/signals'
import type { Position } from '../feed/safety'
import { withoutLast, withPoint, type Drawing } from '../laws/drawing'

export const drawing = signal<Drawing | null>(null)
/** Where the pointer is, so that the next edge is seen before the click. */
export const pointer = signal<Position | null>(null)

export function startDrawing(shape: Drawing['shape']): void {
  drawing.value = { shape, points: [] }
}

export function stopDrawing(): void {
  drawing.value = null
  pointer.value = null
}

export function addPoint(point: Position): void {
  if (drawing.peek()) drawing.value = withPoint(drawing.peek()!, point)
}

export function undoPoint(): void {
  if (drawing.peek()) drawing.value = withoutLast(drawing.peek()!)
}
