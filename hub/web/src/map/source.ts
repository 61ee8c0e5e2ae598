/**
 * What a map draws: columns of units, their names and trails, and the time at which they are looked at.
 *
 * The live picture is one (`live`), a moment of a rewind or a drill played again is another: the same code draws both, and
 * says of both how old everything is, because the age comes from `now()` and not from any clock of the page.
 */
import type { UnitMeta } from '../feed/messages'
import type { HubClock } from '../feed/clock'
import type { Store, Table } from '../feed/store'
import type { Trail } from '../feed/trails'

export interface PictureSource {
  /** A row a slot; read in place, never kept: it may be another one after the next picture. */
  readonly col: Readonly<Table>
  /** Slots that have a name. */
  readonly slots: readonly number[]
  /** Grows with each picture, and is another one when it is another picture: what moved between two moves on smoothly. */
  readonly ticks: number
  readonly trails: { get(slot: number): Trail | undefined }
  meta(slot: number): UnitMeta | undefined
  /** UTC ms by the clock of this picture; NaN while it has none. */
  now(): number
}

export function live(store: Store, clock: HubClock): PictureSource {
  return {
    get col() { return store.col },
    get slots() { return store.slots },
    get ticks() { return store.ticks },
    trails: store.trails,
    meta: (slot) => store.meta(slot),
    now: () => clock.now(),
  }
}
