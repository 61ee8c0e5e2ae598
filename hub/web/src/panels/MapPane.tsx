/** The map's place in the page: makes ground and overlay, and hands them what changes. */
import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { clock, line, openAlarms, pulse, roster, select, selectedId, store, trailFetcher } from '../app/core'
import { addPoint, drawing, pointer } from '../app/drawing'
import { hooks, isOff, mapNote, mapTab, type Mount } from '../app/ground'
import { layers } from '../app/layers'
import { zones } from '../app/safety'
import { pick, setFly } from '../app/show'
import { theme } from '../app/theme'
import { lang, t } from '../i18n'
import { isAnswered, isSos } from '../laws/alarms'
import type { Ground } from '../map/ground'
import { MaplibreGround } from '../map/maplibreGround'
import { Overlay } from '../map/overlay'
import { PlainGround } from '../map/plainGround'
import { latOf, lonOf } from '../map/view'
import type { Position } from '../feed/safety'

const plain = signal(false)
const TOOLS_AFTER_MS = 300
let ground: Ground | null = null

function makeGround(container: HTMLElement): Ground {
  const probe = document.createElement('canvas').getContext('webgl2')
  probe?.getExtension('WEBGL_lose_context')?.loseContext()
  if (probe) {
    try {
      return new MaplibreGround(container, theme.peek(), lang.peek())
    } catch (error) {
      console.warn(`map: no MapLibre: ${String(error)}`)
      container.replaceChildren()
    }
  }
  plain.value = true
  return new PlainGround(container, theme.peek(), lang.peek())
}

/** Whose call for help somebody has answered, all of it. */
function answered(): Set<number> {
  const calls = openAlarms.value.filter(isSos)
  const waits = new Set(calls.filter((alarm) => !isAnswered(alarm)).flatMap(({ slots }) => slots))
  return new Set(calls.flatMap(({ slots }) => slots).filter((slot) => !waits.has(slot)))
}

/** Everyone with a position, with a little room around; false when there is nobody. */
export function showAll(): boolean {
  const { t_fix, lat, lon } = store.col
  const placed = store.slots.filter((slot) => !Number.isNaN(t_fix[slot]!))
  if (placed.length === 0 || !ground) return false
  const lats = placed.map((slot) => lat[slot]! / 1e7)
  const lons = placed.map((slot) => lon[slot]! / 1e7)
  const least = (list: number[]): number => list.reduce((a, b) => Math.min(a, b))
  const most = (list: number[]): number => list.reduce((a, b) => Math.max(a, b))
  ground.fit({ west: least(lons), east: most(lons), south: least(lats), north: most(lats) })
  return true
}

function wire(box: HTMLElement, groundBox: HTMLElement): () => void {
  const made = makeGround(groundBox)
  ground = made
  const overlay = new Overlay(box, made, store, clock, theme.peek())
  setFly((lon, lat) => made.flyTo(lon, lat))
  trailFetcher.inView = () => overlay.inView
  trailFetcher.onChange = () => overlay.refresh()
  const place = (x: number, y: number): Position => {
    const { cx, cy, worldPx, widthPx, heightPx } = made.view()
    return [lonOf(cx + (x - widthPx / 2) / worldPx), latOf(cy + (y - heightPx / 2) / worldPx)]
  }
  made.onClick((x, y) => {
    if (drawing.peek()) return addPoint(place(x, y))
    if (hooks.click(place(x, y), x, y)) return
    const slot = overlay.pick(x, y)
    if (slot === undefined) select(null)
    else pick(store.meta(slot)!.id)
  })
  made.onHover((x, y) => {
    if (drawing.peek()) pointer.value = place(x, y)
    hooks.hover(place(x, y))
    made.setPointer(drawing.peek() !== null || hooks.busy() || overlay.pick(x, y) !== undefined)
  })
  const stops = [
    theme.subscribe((now) => {
      made.setTheme(now)
      overlay.setTheme(now)
    }),
    lang.subscribe((now) => made.setLang(now)),
    effect(() => {
      void pulse.value
      const id = selectedId.value
      overlay.setCut(line.value !== 'live')
      overlay.setAnswered(answered())
      overlay.select(id === null ? undefined : store.slotOf(id))
    }),
    effect(() => overlay.setZones({ zones: isOff('zones') ? zones.value.filter(({ kind }) => kind === 'danger') : zones.value, signal: layers.value.signal, search: layers.value.search, drawing: drawing.value, pointer: pointer.value })),
    showAllOnce(),
    loadTools(made, box),
  ]
  return () => stops.forEach((stop) => stop())
}

const Tools = signal<(() => preact.JSX.Element) | null>(null)

/** Base maps, drawing and measuring come after the first picture: nobody waits for them. */
function loadTools(made: Ground, box: HTMLElement): () => void {
  let unmount: ReturnType<Mount> | null = null
  let over = false
  const idle = setTimeout(() => void import('../ground/MapTools').then(({ MapTools, mount }) => {
    if (over) return
    unmount = mount(made, box)
    Tools.value = MapTools
  }), TOOLS_AFTER_MS)
  return () => {
    over = true
    clearTimeout(idle)
    unmount?.()
  }
}

/** The first picture chooses the view; after that only a person moves it. */
function showAllOnce(): () => void {
  let wanted = true
  return effect(() => {
    if (!wanted || roster.value.length === 0) return
    wanted = false
    // Alarms of the first picture take their place above the map first.
    requestAnimationFrame(() => requestAnimationFrame(() => (wanted = !showAll())))
  })
}

export function MapPane() {
  const box = useRef<HTMLDivElement>(null)
  const groundBox = useRef<HTMLDivElement>(null)
  useEffect(() => wire(box.current!, groundBox.current!), [])
  const View = Tools.value
  return (
    <section class="map" aria-label={t('map_label')}>
      <div class="canvases" ref={box}><div class="ground" ref={groundBox} /></div>
      <div class="map-tools">
        <button title={t('map_in')} aria-label={t('map_in')} onClick={() => ground?.zoomBy(1)}>＋</button>
        <button title={t('map_out')} aria-label={t('map_out')} onClick={() => ground?.zoomBy(-1)}>－</button>
        <button title={t('map_window')} aria-label={t('map_window')} data-testid="map-window-open" aria-expanded={mapTab.value !== null} onClick={() => (mapTab.value = mapTab.peek() === null ? 'layers' : null)}>
          <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 3 2 7l8 4 8-4zM2 11l8 4 8-4M2 15l8 4 8-4" /></svg>
        </button>
        <button title={t('map_all')} aria-label={t('map_all')} onClick={showAll}>
          <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4" /><circle cx="10" cy="10" r="2.5" /></svg>
        </button>
      </div>
      <p class="map-note" data-testid="map-note">{mapNote.value ?? t('map_note')}{plain.value && ` · ${t('map_plain')}`}</p>
      {View && <View />}
      {roster.value.length === 0 && line.value === 'live' && <p class="empty">{t('empty')}</p>}
    </section>
  )
}
