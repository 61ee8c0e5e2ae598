/** The map's place in the page: makes ground and overlay, and hands them what changes. */
import { effect, signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { line, openAlarms, pictured, pulse, roster, select, selectedId, store, trailFetcher } from '../app/core'
import { showDiagnostics } from '../app/diagnostics'
import { addPoint, drawing, pointer } from '../app/drawing'
import { hooks, isOff, mapNote, mapTab, prefs, type Mount } from '../app/ground'
import { layers } from '../app/layers'
import { addSelected, following, graphics, hovered, livePicture, picture, rings, selection, setCloseFan, tasked, toggleSelected } from '../app/mapState'
import { zones } from '../app/safety'
import { pick, setFly, setShowAll } from '../app/show'
import { theme, wall } from '../app/theme'
import { pastBeat, source } from '../app/timeline'
import { lang, t } from '../i18n'
import { isAnswered, isSos } from '../laws/alarms'
import { boxSelect } from '../map/box'
import type { Ground } from '../map/ground'
import { MaplibreGround } from '../map/maplibreGround'
import { Overlay } from '../map/overlay'
import { PlainGround } from '../map/plainGround'
import { latOf, lonOf, mercatorX, mercatorY } from '../map/view'
import { VideoWall } from '../video/VideoWall'
import '../map/map.css'
import { ReplayMark } from './Conductor'
import { MapChips, MapTip, SelectedTools } from './MapParts'
import type { Position } from '../feed/safety'

const plain = signal(false)
const TOOLS_AFTER_MS = 300
let ground: Ground | null = null
/** So long a new size of the page takes to reach the map. */
const LAID_OUT_MS = 250

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
  const { col, slots } = picture.peek()
  let [west, east, south, north] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const slot of slots) {
    if (Number.isNaN(col.t_fix[slot]!)) continue
    const [lon, lat] = [col.lon[slot]! / 1e7, col.lat[slot]! / 1e7]
    ;[west, east, south, north] = [Math.min(west, lon), Math.max(east, lon), Math.min(south, lat), Math.max(north, lat)]
  }
  if (west > east || !ground) return false
  ground.fit({ west, east, south, north })
  return true
}

const slotsOf = (ids: Iterable<string>): Set<number> => new Set([...ids].flatMap((id) => store.slotOf(id) ?? []))

function wire(box: HTMLElement, groundBox: HTMLElement): () => void {
  const made = makeGround(groundBox)
  ground = made
  const overlay = new Overlay(box, made, picture.peek(), theme.peek())
  showDiagnostics(overlay)
  setFly((lon, lat) => made.flyTo(lon, lat))
  setShowAll(showAll)
  setCloseFan(() => overlay.closeFan())
  overlay.onGraphics = (now) => (graphics.value = now)
  graphics.value = overlay.graphics
  trailFetcher.inView = () => ({ has: (slot) => overlay.isInView(slot) })
  trailFetcher.onChange = () => overlay.refresh()
  made.onClick((x, y, more) => clicked(made, overlay, x, y, more))
  made.onHover((x, y) => hover(made, overlay, x, y))
  made.onPan(() => (following.value = null))
  overlay.onLook = () => keepInTheMiddle(made, overlay)
  const stopBox = boxSelect(box, () => drawing.peek() === null, (area) => {
    const { meta } = picture.peek()
    addSelected(overlay.within(area).flatMap((slot) => meta(slot)?.id ?? []))
  })
  const leave = (): void => void (hovered.value = null)
  box.addEventListener('mouseleave', leave)
  const stops = [
    stopBox,
    () => box.removeEventListener('mouseleave', leave),
    theme.subscribe((now) => {
      made.setTheme(now)
      overlay.setTheme(now)
    }),
    lang.subscribe((now) => {
      made.setLang(now)
      overlay.refresh()
    }),
    picture.subscribe((now) => overlay.setSource(now)),
    effect(() => {
      void pictured.value
      overlay.pictured()
    }),
    effect(() => {
      void pulse.value
      const id = selectedId.value
      void pastBeat.value
      overlay.setLook({ cut: line.value !== 'live' && picture.value === livePicture, answered: answered(), rings: rings.value, grid: prefs.value.base === '' && !prefs.value.grid, trails: !isOff('trails') })
      overlay.setMarked({ selected: id === null ? undefined : store.slotOf(id), chosen: slotsOf(selection.value), tasked: slotsOf(tasked.value) })
    }),
    source.subscribe((now) => overlay.setSource(now)),
    // Nobody moves the map of a wall, so it begins with everyone in sight.
    wall.subscribe((on) => on && setTimeout(showAll, LAID_OUT_MS)),
    effect(() => overlay.setZones({ zones: isOff('zones') ? zones.value.filter(({ kind }) => kind === 'danger') : zones.value, signal: layers.value.signal, search: layers.value.search, drawing: drawing.value, pointer: pointer.value })),
    showAllOnce(),
    loadTools(made, box),
  ]
  return () => stops.forEach((stop) => stop())
}

function placeAt(made: Ground, x: number, y: number): Position {
  const { cx, cy, worldPx, widthPx, heightPx } = made.view()
  return [lonOf(cx + (x - widthPx / 2) / worldPx), latOf(cy + (y - heightPx / 2) / worldPx)]
}

function clicked(made: Ground, overlay: Overlay, x: number, y: number, more: boolean): void {
  const place = placeAt(made, x, y)
  if (drawing.peek()) return addPoint(place)
  hovered.value = null
  if (hooks.click(place, x, y)) return
  const found = overlay.click(x, y)
  if (found === 'fan') return
  if (found === null) {
    if (!more) select(null)
    return
  }
  const id = picture.peek().meta(found.slot)!.id
  if (more) return toggleSelected(id)
  const away = found.fly ? overlay.placeOf(found.slot) : null
  if (away) made.flyTo(away.lon, away.lat)
  pick(id)
}

function hover(made: Ground, overlay: Overlay, x: number, y: number): void {
  const slot = drawing.peek() ? undefined : overlay.under(x, y)
  const place = placeAt(made, x, y)
  if (drawing.peek()) pointer.value = place
  hooks.hover(place)
  made.setPointer(drawing.peek() !== null || hooks.busy() || slot !== undefined)
  hovered.value = slot === undefined ? null : { slot, x, y }
}

/** Less is a trembling that a moved ground would only make larger, px. */
const FOLLOW_PX = 3

function keepInTheMiddle(made: Ground, overlay: Overlay): void {
  const id = following.peek()
  const slot = id === null ? undefined : store.slotOf(id)
  const place = slot === undefined ? null : overlay.placeOf(slot)
  if (!place) return
  const { cx, cy, worldPx } = made.view()
  const away = Math.hypot(mercatorX(place.lon) - cx, mercatorY(place.lat) - cy) * worldPx
  if (away > FOLLOW_PX) made.centreOn(place.lon, place.lat)
}

const Tools = signal<(() => JSX.Element) | null>(null)

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
        {selectedId.value !== null && <SelectedTools />}
      </div>
      <ReplayMark />
      <MapChips />
      <MapTip />
      <p class="map-note" data-testid="map-note" data-graphics={graphics.value}>{mapNote.value ?? t('map_note')}{graphics.value === 'lost' ? ` · ${t('map_gl_lost')}` : plain.value && ` · ${t('map_plain')}`}</p>
      {View && <View />}
      {roster.value.length === 0 && line.value === 'live' && <p class="empty">{t('empty')}</p>}
      <VideoWall />
    </section>
  )
}
