/** The window of the map's tools, and the place under the pointer. Loaded after the first picture; `mount` ties it to the map. */
import { effect, signal } from '@preact/signals'
import { hooks, mapNote, mapTab, placeText, TABS, type MapTab, type Mount } from '../app/ground'
import { t } from '../i18n'
import type { Position } from '../feed/safety'
import type { Ground } from '../map/ground'
import { mercatorX, mercatorY, screenX, screenY } from '../map/view'
import { drawing } from '../app/drawing'
import { whyNot } from '../panels/acts'
import { Draw } from './Draw'
import { take } from './Dropping'
import { Export } from './Export'
import { factsOf, Layers } from './Layers'
import { Measure } from './Measure'
import { PlansTab } from './PlansTab'
import { ahead, click, hand, keep, keyTrouble, redo, stop, undo, undoPoint } from './hand'
import { askMaps, maps } from './maps'
import { mounted } from './mounted'
import { arrived, baseMap, partsNow } from './parts'
import { Plots } from './plots'
import { setMaps, startTiles } from './tiles'

const ASK_AGAIN_MS = 60_000
const VIEWS: Record<MapTab, () => preact.JSX.Element> = { layers: Layers, measure: Measure, draw: Draw, plans: PlansTab, export: Export }
/** Where a letter is a letter. */
const TYPED = 'select, textarea, input:not([type=checkbox], [type=radio], [type=range])'
const pointerAt = signal<Position | null>(null)

export function MapTools() {
  const tab = mapTab.value
  const View = tab && VIEWS[tab]
  return (
    <>
      <Pointer />
      {View && (
        <aside class="map-window" data-testid="map-window" aria-label={t('map_window')}>
          <div class="title">
            <nav class="tabs">{TABS.map((name) => <button key={name} data-testid={`map-tab-${name}`} aria-current={tab === name ? 'true' : undefined} onClick={() => (mapTab.value = name)}>{t(`map_tab_${name}`)}</button>)}</nav>
            <button class="close" title={t('close')} aria-label={t('close')} onClick={closeWindow}>✕</button>
          </div>
          <div class="map-tab"><View /></div>
        </aside>
      )}
    </>
  )
}

function Pointer() {
  const at = pointerAt.value
  if (!at) return null
  const words = placeText(at[1], at[0])
  return <button class="map-at" data-testid="map-at" data-lon={at[0].toFixed(7)} data-lat={at[1].toFixed(7)} title={t('copy_place')} aria-label={`${t('place_here')} ${words}`} onClick={() => void navigator.clipboard?.writeText(words)}>{words}</button>
}

const closeWindow = (): void => void (mapTab.value = null)

export const mount: Mount = (ground, box) => {
  mounted.ground = ground
  mounted.box = box
  startTiles()
  void askMaps()
  const timer = setInterval(() => mapTab.peek() === 'layers' && void askMaps(), ASK_AGAIN_MS)
  const plots = new Plots(box, ground)
  const px = (a: Position, b: Position): number => {
    const view = ground.view()
    return Math.hypot(screenX(view, mercatorX(a[0])) - screenX(view, mercatorX(b[0])), screenY(view, mercatorY(a[1])) - screenY(view, mercatorY(b[1])))
  }
  hooks.click = (at) => {
    pointerAt.value = at
    return click(at, px)
  }
  hooks.hover = (at) => {
    pointerAt.value = at
    if (hand.peek()) ahead.value = at
  }
  // A closed window draws nothing on.
  const stops = [effect(() => void (mapTab.value === null && stop())), showParts(ground), showNote(), listen(), dropTarget(box), () => clearInterval(timer), () => plots.close()]
  return () => stops.forEach((one) => one())
}

/** The ground is styled anew only when what lies on it changed. */
function showParts(ground: Ground): () => void {
  let before = ''
  return effect(() => {
    setMaps(maps.value)
    const parts = partsNow(ground.vector)
    const now = JSON.stringify([parts, arrived.value])
    if (now === before) return
    before = now
    ground.setParts(parts)
  })
}

/** Whose map it is stands beside it, always. */
function showNote(): () => void {
  return effect(() => {
    const base = baseMap()
    mapNote.value = base ? factsOf(base) : null
  })
}

/** Keys of the tools, before those of the page: while something is drawn, Escape ends that and nothing else. */
function listen(): () => void {
  const down = (event: KeyboardEvent): void => {
    const typing = event.target instanceof HTMLElement && event.target.matches(TYPED)
    const key = event.key.toLowerCase()
    const took = (event.ctrlKey || event.metaKey) ? !typing && turned(key, event.shiftKey) : plainKey(event.key, typing, event.target)
    if (!took) return
    event.preventDefault()
    event.stopPropagation()
  }
  document.addEventListener('keydown', down, true)
  return () => document.removeEventListener('keydown', down, true)
}

function turned(key: string, shift: boolean): boolean {
  if (mapTab.peek() !== 'draw' || (key !== 'z' && key !== 'y')) return false
  byKey(key === 'y' || shift ? redo : undo)
  return true
}

/** What the hub refuses is said in the window, as with the buttons. */
function byKey(act: () => Promise<void>): void {
  keyTrouble.value = ''
  act().catch((error: unknown) => {
    keyTrouble.value = whyNot(error)
    mapTab.value = 'draw'
  })
}

function plainKey(name: string, typing: boolean, target: EventTarget | null): boolean {
  if (name === 'Escape' && (hand.peek() || mapTab.peek() !== null)) {
    if (hand.peek()) stop()
    else closeWindow()
    return true
  }
  if (drawing.peek()) return false
  if (name === 'Enter' && hand.peek() && !(target instanceof HTMLButtonElement)) {
    byKey(keep)
    return true
  }
  if (typing) return false
  if (name === 'Backspace' && hand.peek()) {
    undoPoint()
    return true
  }
  return false
}

function dropTarget(box: HTMLElement): () => void {
  const over = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    event.dataTransfer.dropEffect = 'copy'
  }
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    mapTab.value = 'layers'
    void take(event.dataTransfer?.files ?? [])
  }
  const target = box.parentElement ?? box
  target.addEventListener('dragover', over)
  target.addEventListener('drop', drop)
  return () => {
    target.removeEventListener('dragover', over)
    target.removeEventListener('drop', drop)
  }
}
