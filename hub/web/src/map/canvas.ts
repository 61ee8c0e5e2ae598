/** Canvases in CSS pixels of a view, whatever pixels the screen has. */
import type { View } from './view'

/** As large as the view; one that changes is empty afterwards. */
export function fit(canvas: HTMLCanvasElement, view: View): void {
  const [width, height] = [Math.round(view.widthPx * devicePixelRatio), Math.round(view.heightPx * devicePixelRatio)]
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
}

export function cleared(canvas: HTMLCanvasElement, view: View): CanvasRenderingContext2D {
  const g = canvas.getContext('2d')!
  g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
  g.clearRect(0, 0, view.widthPx, view.heightPx)
  return g
}
