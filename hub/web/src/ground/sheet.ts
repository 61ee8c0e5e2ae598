/**
 * The view as a picture for paper and files: what the map shows, with scale, north, time, coordinates, whence the map is, and who
 * made it. A drill carries its hatched frame and 演练 DRILL; a screen without contact says so.
 *
 * Enters: the map's canvases in the frame in which they were drawn. Leaves: a canvas. Called by `Export.tsx`.
 */
import { clock, hello, line, silentS } from '../app/core'
import { mapNote, prefs } from '../app/ground'
import { me } from '../app/session'
import { theme } from '../app/theme'
import { t } from '../i18n'
import { distanceText, placeText, roundLength } from '../laws/places'
import type { Theme } from '../tokens'
import { FONT, type Ground } from '../map/ground'
import { latOf, lonOf, pxPerMetre, type View } from '../map/view'

const HEAD_PX = 46
const FOOT_PX = 62
const FRAME_PX = 14
const PAPER: Record<Theme, { back: string; text: string; muted: string; line: string }> = {
  night: { back: '#14181d', text: '#eef2f5', muted: '#aab5bf', line: '#39434d' },
  day: { back: '#ffffff', text: '#151b20', muted: '#4c5761', line: '#8b959d' },
  red: { back: '#ffffff', text: '#151b20', muted: '#4c5761', line: '#8b959d' },
}

/** Every canvas of the map, bottom first, as the page shows it. */
function composed(box: HTMLElement, view: View, dpr: number): HTMLCanvasElement {
  const out = document.createElement('canvas')
  out.width = Math.round(view.widthPx * dpr)
  out.height = Math.round(view.heightPx * dpr)
  const g = out.getContext('2d')!
  for (const canvas of box.querySelectorAll('canvas')) {
    if (canvas.hidden || canvas.width === 0 || canvas.height === 0) continue
    const { filter, opacity } = getComputedStyle(canvas)
    g.filter = filter === 'none' ? 'none' : filter
    g.globalAlpha = Number(opacity)
    g.drawImage(canvas, 0, 0, out.width, out.height)
  }
  return out
}

/** The sheet of what the map shows now. */
export function sheetNow(ground: Ground, box: HTMLElement, title: string): Promise<HTMLCanvasElement> {
  return new Promise((give) => ground.snapshot(() => {
    const dpr = devicePixelRatio
    const view = ground.view()
    give(sheet(composed(box, view, dpr), view, dpr, title))
  }))
}

function sheet(map: HTMLCanvasElement, view: View, dpr: number, title: string): HTMLCanvasElement {
  const drill = hello.peek()?.drill === true
  const frame = drill ? FRAME_PX : 0
  const [width, height] = [view.widthPx + 2 * frame, view.heightPx + HEAD_PX + FOOT_PX + 2 * frame]
  const out = document.createElement('canvas')
  out.width = Math.round(width * dpr)
  out.height = Math.round(height * dpr)
  const g = out.getContext('2d')!
  g.scale(dpr, dpr)
  const c = PAPER[theme.peek()]
  g.fillStyle = c.back
  g.fillRect(0, 0, width, height)
  g.save()
  g.translate(frame, frame)
  g.drawImage(map, 0, HEAD_PX, view.widthPx, view.heightPx)
  g.strokeStyle = c.line
  g.strokeRect(0.5, HEAD_PX + 0.5, view.widthPx - 1, view.heightPx - 1)
  head(g, view, title, c.text, drill)
  north(g, view.widthPx - 34, HEAD_PX + 44)
  foot(g, view, HEAD_PX + view.heightPx, c)
  g.restore()
  if (drill) hatched(g, width, height)
  return out
}

function head(g: CanvasRenderingContext2D, view: View, title: string, ink: string, drill: boolean): void {
  g.fillStyle = ink
  g.textBaseline = 'middle'
  g.font = `700 20px ${FONT}`
  g.fillText(title || t('app'), 12, HEAD_PX / 2, view.widthPx * 0.6)
  if (!drill) return
  g.textAlign = 'right'
  g.font = `800 24px ${FONT}`
  g.fillText(t('sheet_drill'), view.widthPx - 12, HEAD_PX / 2)
  g.textAlign = 'left'
}

/** The map is always north up; paper may be turned. */
function north(g: CanvasRenderingContext2D, x: number, y: number): void {
  g.save()
  g.translate(x, y)
  g.beginPath()
  g.arc(0, 0, 24, 0, 2 * Math.PI)
  g.fillStyle = 'rgba(255,255,255,0.86)'
  g.fill()
  g.fillStyle = '#1b2026'
  g.beginPath()
  g.moveTo(0, -19)
  g.lineTo(8, 5)
  g.lineTo(0, 0)
  g.lineTo(-8, 5)
  g.closePath()
  g.fill()
  g.font = `700 14px ${FONT}`
  g.textAlign = 'center'
  g.textBaseline = 'middle'
  g.fillText(t('sheet_north'), 0, 14)
  g.restore()
}

/** Local time with its offset, so that two sheets of two zones are not mistaken for each other. */
function stamp(at: number): string {
  const d = new Date(at)
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  const offset = -d.getTimezoneOffset()
  const zone = `UTC${offset < 0 ? '−' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zone}`
}

function foot(g: CanvasRenderingContext2D, view: View, y: number, c: { text: string; muted: string }): void {
  const lat = latOf(view.cy)
  const metres = roundLength(Math.min(260, view.widthPx / 4) / pxPerMetre(view, lat))
  const px = metres * pxPerMetre(view, lat)
  g.strokeStyle = c.text
  g.lineWidth = 2
  g.beginPath()
  g.moveTo(12, y + 12)
  g.lineTo(12, y + 20)
  g.lineTo(12 + px, y + 20)
  g.lineTo(12 + px, y + 12)
  g.stroke()
  g.fillStyle = c.text
  g.font = `600 14px ${FONT}`
  g.fillText(distanceText(metres).replace(/\.0+ /, ' '), 20 + px, y + 17)
  const now = clock.now()
  const cut = line.peek() === 'live' ? '' : ` · ${t('sheet_cut', { s: silentS.peek() })}`
  const who = me.peek()
  const says = [
    t('sheet_time', { t: Number.isFinite(now) ? stamp(now) : '—' }) + cut,
    `WGS-84 ${placeText(lat, lonOf(view.cx), prefs.peek().place)}`,
    who ? t('sheet_by', { name: who.name }) : '',
    who ? t('sheet_realm', { realm: who.realm }) : '',
  ]
  g.fillText(says[0]!, 150 + px, y + 17, view.widthPx - 162 - px)
  g.font = `14px ${FONT}`
  g.fillStyle = c.muted
  g.fillText([...says.slice(1), mapNote.peek() ?? t('map_note')].filter((one) => one !== '').join(' · '), 12, y + 43, view.widthPx - 24)
}

function hatched(g: CanvasRenderingContext2D, width: number, height: number): void {
  const edge = new Path2D()
  edge.rect(0, 0, width, height)
  edge.rect(FRAME_PX, FRAME_PX, width - 2 * FRAME_PX, height - 2 * FRAME_PX)
  g.save()
  g.clip(edge, 'evenodd')
  g.fillStyle = '#f2c230'
  g.fillRect(0, 0, width, height)
  g.strokeStyle = '#14181d'
  g.lineWidth = 9
  g.beginPath()
  for (let x = -height; x < width + height; x += 26) {
    g.moveTo(x, height)
    g.lineTo(x + height, 0)
  }
  g.stroke()
  g.restore()
}
