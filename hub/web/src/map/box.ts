/** A box drawn with the shift key and a pulled pointer: who is in it. It takes the pointer before the ground sees it. */
import type { Box } from './taken'

/** Less than this was a click. */
const PULL_PX = 4

/** `allowed` says whether the map's pointer is free now. Leaves a function that ends it. */
export function boxSelect(container: HTMLElement, allowed: () => boolean, done: (box: Box) => void): () => void {
  const frame = document.createElement('div')
  frame.className = 'select-box'
  frame.hidden = true
  container.append(frame)
  let from: { x: number; y: number } | null = null
  const at = (event: MouseEvent): { x: number; y: number } => {
    const { left, top } = container.getBoundingClientRect()
    return { x: event.clientX - left, y: event.clientY - top }
  }
  const boxTo = ({ x, y }: { x: number; y: number }): Box => ({ x0: Math.min(x, from!.x), y0: Math.min(y, from!.y), x1: Math.max(x, from!.x), y1: Math.max(y, from!.y) })
  const swallow = (event: Event): void => {
    event.preventDefault()
    event.stopPropagation()
  }
  const down = (event: PointerEvent): void => {
    if (!event.shiftKey || event.button !== 0 || !allowed()) return
    swallow(event)
    from = at(event)
    container.setPointerCapture(event.pointerId)
  }
  const move = (event: PointerEvent): void => {
    if (!from) return
    swallow(event)
    const { x0, y0, x1, y1 } = boxTo(at(event))
    frame.hidden = false
    Object.assign(frame.style, { left: `${x0}px`, top: `${y0}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px` })
  }
  const up = (event: PointerEvent): void => {
    if (!from) return
    swallow(event)
    const box = boxTo(at(event))
    from = null
    frame.hidden = true
    if (event.type === 'pointerup' && (box.x1 - box.x0 > PULL_PX || box.y1 - box.y0 > PULL_PX)) done(box)
  }
  const mouse = (event: MouseEvent): void => {
    if (from) swallow(event)
  }
  const listeners = [['pointerdown', down], ['pointermove', move], ['pointerup', up], ['pointercancel', up], ['mousedown', mouse]] as const
  for (const [name, listener] of listeners) container.addEventListener(name, listener as EventListener, true)
  return () => {
    for (const [name, listener] of listeners) container.removeEventListener(name, listener as EventListener, true)
    frame.remove()
  }
}
