/** Selecting a unit is one act everywhere: mark it, open its drawer, bring it into sight. */
import { select, store } from './core'
import { listOpen } from './listState'
import { pane } from './pane'
import { choose } from './targets'

let fly: (lon: number, lat: number) => void = () => undefined
let all: () => void = () => undefined

/** The map says how one flies to a place, once it stands. */
export function setFly(how: typeof fly): void {
  fly = how
}

export function setShowAll(how: typeof all): void {
  all = how
}

/** Everyone with a position. */
export const showAll = (): void => all()

/** A click on list or map: while orders are given, that unit is one more to be told, and is not opened over them. */
export function pick(id: string): void {
  if (pane.peek() === 'orders') choose(id)
  else showUnit(id)
}

/** To where something was, which need not be where anybody is now. */
export const flyTo = (lon: number, lat: number): void => fly(lon, lat)

export function showUnit(id: string): void {
  select(id)
  pane.value = null
  listOpen.value = false
  const slot = store.slotOf(id)
  if (slot === undefined || Number.isNaN(store.col.t_fix[slot]!)) return
  // The drawer narrows the map first, so that the unit comes to the middle of what is left.
  requestAnimationFrame(() => requestAnimationFrame(() => fly(store.col.lon[slot]! / 1e7, store.col.lat[slot]! / 1e7)))
}
