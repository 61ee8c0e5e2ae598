/**
 * Who went in, listed beside the way in: floor, callsign, and since when. Inside there is no position, and a heap of symbols
 * on a doorstep would say that all stand there. Called by `overlay.ts`.
 */
import type { UnitMeta } from '../feed/messages'
import { t } from '../i18n'
import type { State } from '../laws/contact'
import { floorText } from '../laws/inside'
import { ageText } from '../laws/words'
import { INKS, LINE_PX, lineWidth, plateOf, writeLine, type Word } from './inks'
import type { Hit } from './pick'
import type { Look } from './look'
import type { Taken } from './taken'
import { mercatorX, mercatorY, screenX, screenY, type View } from './view'

export interface Within { slot: number; meta: UnitMeta; state: State; insideS: number }
export interface Entrance { lat: number; lon: number; units: Within[] }

/** Of one entrance; the others are counted. Danger is never among those counted only. */
export const ROWS_MAX = 8
/** Clear of the rings of a call for help on the doorstep. */
const OFF_PX = 46
/** Ways in nearer to each other than this are one, degrees: about 10 m. */
const SAME_DEG = 1e-4
const WORST: Record<State, number> = { sos: 0, mandown: 1, lost: 2, stale: 3, online: 4, unheard: 5 }

/** By entrance; in it the gravest first, then the deepest, then by callsign. */
export function entrances(units: readonly Within[]): Entrance[] {
  const found = new Map<string, Entrance>()
  for (const unit of units) {
    const { lat, lon } = unit.meta.entry!
    const key = `${Math.round(lat / SAME_DEG)}:${Math.round(lon / SAME_DEG)}`
    const entrance = found.get(key)
    if (entrance) entrance.units.push(unit)
    else found.set(key, { lat, lon, units: [unit] })
  }
  const depth = ({ meta }: Within): number => (typeof meta.floor === 'number' ? meta.floor : 0)
  for (const { units: inside } of found.values()) {
    inside.sort((a, b) => WORST[a.state] - WORST[b.state] || depth(a) - depth(b) || a.meta.callsign.localeCompare(b.meta.callsign, 'zh', { numeric: true }))
  }
  return [...found.values()]
}

export function drawEntrances(g: CanvasRenderingContext2D, view: View, list: readonly Entrance[], look: Look, taken: Taken): Hit[] {
  return list.flatMap((entrance) => {
    const [x, y] = [screenX(view, mercatorX(entrance.lon)), screenY(view, mercatorY(entrance.lat))]
    return x < 0 || y < 0 || x > view.widthPx || y > view.heightPx ? [] : drawEntrance(g, view, x, y, entrance, look, taken)
  })
}

function drawEntrance(g: CanvasRenderingContext2D, view: View, x: number, y: number, { units }: Entrance, look: Look, taken: Taken): Hit[] {
  const inks = INKS[look.theme]
  const grave = units.filter(({ state }) => state === 'sos' || state === 'mandown').length
  const shown = units.slice(0, Math.max(ROWS_MAX, grave))
  const rows = shown.map((unit) => wordsOf(unit, look))
  const head: Word[] = [{ text: `${t('entrance')} · ${t('entrance_n', { n: units.length })}`, bold: true }, ...(units.length > shown.length ? [{ text: `+${units.length - shown.length}` }] : [])]
  const width = Math.max(lineWidth(g, head), ...rows.map((row) => lineWidth(g, row))) + 20
  const height = (rows.length + 1) * (LINE_PX + 2) + 10
  const left = x + OFF_PX + width < view.widthPx ? x + OFF_PX : x - OFF_PX - width
  const top = Math.max(4, Math.min(y - LINE_PX, view.heightPx - height - 4))
  doorstep(g, x, y, left > x ? left : left + width, inks.text, inks.halo)
  g.fillStyle = inks.plate
  g.fillRect(left, top, width, height)
  g.strokeStyle = inks.muted
  g.lineWidth = 1
  g.strokeRect(left + 0.5, top + 0.5, width, height)
  writeLine(g, left + 10, top + 15, head, inks, 'rgba(0,0,0,0)')
  taken.take({ x0: left, y0: top, x1: left + width, y1: top + height })
  return shown.map(({ slot, state }, i) => {
    const middle = top + 15 + (i + 1) * (LINE_PX + 2)
    writeLine(g, left + 10, middle, rows[i]!, inks, plateOf(inks, state) ?? 'rgba(0,0,0,0)')
    return { x0: left, y0: middle - 11, x1: left + width, y1: middle + 11, slot }
  })
}

/** The state stands in words: a row has no shape that could say it. */
function wordsOf({ meta, state, insideS }: Within, { theme }: Look): Word[] {
  const danger = state === 'sos' || state === 'mandown'
  const ink = INKS[theme][danger ? 'on-plate' : 'text']
  return [
    { text: floorText(meta.floor) || '—', bold: true, ink }, { text: meta.callsign, bold: true, ink },
    ...(state === 'online' ? [] : [{ text: t(state === 'sos' ? 'sos_short' : state), bold: danger, ink }]), { text: ageText(insideS), ink },
  ]
}

/** A point with a line to its list: small, because somebody in danger may stand there. */
function doorstep(g: CanvasRenderingContext2D, x: number, y: number, plateX: number, ink: string, halo: string): void {
  for (const [width, colour] of [[5, halo], [2, ink]] as const) {
    g.lineWidth = width
    g.strokeStyle = colour
    g.strokeRect(x - 3, y - 3, 6, 6)
    g.beginPath()
    g.moveTo(x + Math.sign(plateX - x) * 3, y)
    g.lineTo(plateX, y)
    g.stroke()
  }
}
