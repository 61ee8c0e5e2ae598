/** How long rows are on their way from the field to the hub, and pictures from the hub to this screen. Pure. */
import type { UnitMeta } from '../feed/messages'
import { FLAG_CLOCK_UNPROVEN } from './contact'

/** A unit that was not heard for longer says nothing of how the link is now. */
const HEARD_MS = 30_000
const UNITS_MAX = 2_000
/** Less than this is what every network does. */
export const LATE_MS = 1_500
/** Pictures further apart than this are worth a word: units are seen to jump. */
export const SPARSE_MS = 1_200

interface Times { t_rx: Float64Array; t_fix: Float64Array; flags: Uint16Array }

/**
 * Half of the units that are heard had their newest position at the hub within so many ms; NaN when nobody is heard. The
 * middle one, because a row without a position makes one unit look slow. Units of others, and clocks that nobody proved,
 * are left out.
 */
export function uplinkMs(col: Times, slots: readonly number[], meta: (slot: number) => UnitMeta | undefined, now: number): number {
  const delays: number[] = []
  for (const slot of slots) {
    const delay = col.t_rx[slot]! - col.t_fix[slot]!
    if (!(now - col.t_rx[slot]! < HEARD_MS) || Number.isNaN(delay) || delay > HEARD_MS || (col.flags[slot]! & FLAG_CLOCK_UNPROVEN) !== 0) continue
    if (meta(slot)?.reported) continue
    delays.push(Math.max(0, delay))
    if (delays.length === UNITS_MAX) break
  }
  delays.sort((a, b) => a - b)
  return delays.length === 0 ? NaN : delays[Math.floor((delays.length - 1) / 2)]!
}

/** 1240 -> "1.2", 12400 -> "12". */
export const secondsText = (ms: number): string => (ms < 9_950 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000)))
