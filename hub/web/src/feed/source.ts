/**
 * A picture to look at: the live store with the hub's clock, or a replay with its own. Map and panels that take one of
 * these show either without knowing which. Columns are read in place and never kept across a tick.
 */
import type { HubClock } from './clock'
import type { UnitMeta } from './messages'
import type { Store, Table } from './store'
import type { Trails } from './trails'

export interface PictureSource {
  readonly col: Table
  readonly slots: readonly number[]
  readonly trails: Pick<Trails, 'get'>
  meta(slot: number): UnitMeta | undefined
  slotOf(id: string): number | undefined
  /** The moment that this picture is of, UTC ms of the hub; NaN before there is one. */
  now(): number
}

export function liveSource(store: Store, clock: HubClock): PictureSource {
  return {
    get col() { return store.col },
    get slots() { return store.slots },
    trails: store.trails,
    meta: (slot) => store.meta(slot),
    slotOf: (id) => store.slotOf(id),
    now: () => clock.now(),
  }
}
