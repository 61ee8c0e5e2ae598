/** Range rings around the selected unit: how far it is to whatever else the map shows. */
import { metresText } from '../laws/words'
import { INKS, widthOf, writeLine } from './inks'
import type { Mark } from './scene'
import type { Look } from './look'
import { pxPerMetre, screenX, screenY, type View } from './view'

const RINGS = 4
const STEPS = [1, 2, 2.5, 5]

/** Distances of the rings, metres: round numbers, the outermost about two thirds of the view's half. */
export function ringMetres(perMetrePx: number, halfPx: number): number[] {
  const most = (halfPx * 0.9) / RINGS / perMetrePx
  const power = 10 ** Math.floor(Math.log10(most))
  const step = (STEPS.findLast((factor) => factor * power <= most) ?? 1) * power
  return Array.from({ length: RINGS }, (_, i) => step * (i + 1))
}

export function drawRings(g: CanvasRenderingContext2D, view: View, mark: Mark, look: Look): void {
  const inks = INKS[look.theme]
  const [x, y] = [screenX(view, mark.x), screenY(view, mark.y)]
  const perMetre = pxPerMetre(view, mark.lat)
  for (const metres of ringMetres(perMetre, Math.min(view.widthPx, view.heightPx) / 2)) {
    const radius = metres * perMetre
    for (const [width, ink] of [[3, inks.halo], [1.2, inks.muted]] as const) {
      g.beginPath()
      g.arc(x, y, radius, 0, 2 * Math.PI)
      g.lineWidth = width
      g.strokeStyle = ink
      g.stroke()
    }
    const text = metresText(metres)
    writeLine(g, x - widthOf(g, text, false) / 2, y - radius, [{ text, ink: inks.muted }], inks)
  }
}
