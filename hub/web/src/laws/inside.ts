/**
 * Who is in a building, a mine or a tunnel: there the last position is the way in, and says nothing of where one is now.
 *
 * Enters: what `meta` says of a unit's floor and entrance. Leaves: whether it stands in the list beside the entrance
 * instead of at a point of the map. Pure.
 */
import type { Entry } from '../feed/messages'

/** A receiver under the lintel still has a fix of outside. */
const AT_THE_DOOR_MS = 10_000

/** It went in, and no position is newer than that: `fixMs` UTC ms, NaN for never. One that is located inside is drawn there. */
export function isInside(entry: Entry | undefined, fixMs: number): boolean {
  return entry !== undefined && !(fixMs > entry.t + AT_THE_DOOR_MS)
}

/** -2 -> "B2", 3 -> "3F"; what is already a word stays. */
export function floorText(floor: string | number | undefined): string {
  if (floor === undefined) return ''
  if (typeof floor === 'string') return floor
  return floor < 0 ? `B${-floor}` : `${floor}F`
}
