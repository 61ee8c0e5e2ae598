/**
 * What the drawer shows beyond the feed: last values and curves of the selected unit, asked of the hub while it is open.
 *
 * One loop at a time. A failed request keeps the last answer with its age, because an empty drawer says less.
 */
import { effect, signal } from '@preact/signals'
import { ApiError, eventsOf, linksOf, series, unitNow, type DeviceLinks, type EventRow, type Series, type Value } from '../api/http'
import { clock, door, selectedId, store } from './core'

const VALUES_MS = 2_000
/** Curves change slowly and cost more: each second round. */
const CURVES_EVERY = 2
export const CURVES_WINDOW_MS = 30 * 60_000
const CURVE_POINTS = 150
const EVENTS_SHOWN = 12

/** Channels worth a curve, in this order; those that the unit does not have are left out. */
const CURVES = [/^heart/, /^strain/, /^scba/, /^core_dc/, /^ambient/, /^lel/, /^o2/, /^co_/, /^h2s/, /^battery/, /^signal/, /^speed/]

export interface DetailData {
  id: string
  values: Value[]
  curves: { value: Value; series: Series }[]
  /** The newest first. */
  events: EventRow[]
  links: DeviceLinks | undefined
  /** State of a vehicle with its reasons, as the hub says it; null when it says none. */
  vehicle: Record<string, unknown> | null
  /** Hub time of the last answer. */
  at: number
  /** 0 when the last request was answered, else the status; -1 when nobody answered. */
  failed: number
}

export const detailData = signal<DetailData | null>(null)

export function startDetailFeed(): void {
  effect(() => {
    const id = selectedId.value
    if (id === null || door.value !== 'in') {
      detailData.value = null
      return
    }
    const abort = new AbortController()
    if (detailData.peek()?.id !== id) detailData.value = null
    void loop(id, abort.signal)
    return () => abort.abort()
  })
}

async function loop(id: string, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    if (!document.hidden) await ask(id, round, signal)
    await new Promise((done) => setTimeout(done, VALUES_MS))
  }
}

async function ask(id: string, round: number, signal: AbortSignal): Promise<void> {
  const before = detailData.peek()
  try {
    const now = clock.now()
    const [{ values: list, vehicle }, events, links] = await Promise.all([unitNow(id, signal), eventsOf(id, EVENTS_SHOWN, signal), linksOfUnit(id)])
    let curves = before?.curves ?? []
    if (!signal.aborted) detailData.value = { id, values: list, curves, events, links, vehicle, at: clock.now(), failed: 0 }
    if (round % CURVES_EVERY !== 0) return
    const wanted = CURVES.flatMap((name) => list.filter((value) => name.test(value.name)))
    if (wanted.length === 0) return
    const found = await series(id, wanted.map(({ name }) => name), now - CURVES_WINDOW_MS, now, CURVE_POINTS, signal)
    curves = wanted.flatMap((value) => (found[value.name]?.t.length ? [{ value, series: found[value.name]! }] : []))
    if (!signal.aborted) detailData.value = { id, values: list, curves, events, links, vehicle, at: clock.now(), failed: 0 }
  } catch (error) {
    if (signal.aborted) return
    const failed = error instanceof ApiError ? error.status : -1
    detailData.value = { id, values: before?.values ?? [], curves: before?.curves ?? [], events: before?.events ?? [], links: before?.links, vehicle: before?.vehicle ?? null, at: before?.at ?? NaN, failed }
  }
}

/** Of the device that the unit carries now; one that is unknown by now has none. */
async function linksOfUnit(id: string): Promise<DeviceLinks | undefined> {
  const slot = store.slotOf(id)
  const device = slot === undefined ? 0 : (store.meta(slot)?.device ?? 0)
  if (device === 0) return undefined
  return linksOf(device).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  })
}
