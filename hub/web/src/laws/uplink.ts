/**
 * How long positions are on their way from the field to the hub. Pure but for what it remembers.
 *
 * Enters: each picture before it is applied. A row whose position is newer than the one before has just come, so the hub's
 * time of it less the time of the position is how long it took; any other row says nothing of that. Bound: SAMPLES_MAX.
 */
import { FLAG_CLOCK_UNPROVEN } from './contact'

/** What came before that says nothing of how the link is now. */
const WINDOW_MS = 30_000
const SAMPLES_MAX = 512
/** Less than this is what every network does. */
export const LATE_MS = 1_500
/** Pictures further apart than this are worth a word: units are seen to jump. */
export const SPARSE_MS = 1_200

interface Rows { slot: Uint32Array; t_fix?: ArrayLike<number>; t_rx?: ArrayLike<number>; flags?: ArrayLike<number> }

export class Uplink {
  private samples: { t: number; delayMs: number }[] = []

  clear(): void {
    this.samples = []
  }

  /** `t`: hub ms of the picture. `before`: positions' times as they stand; clocks that nobody proved are left out. */
  heard(t: number, { slot, t_fix, t_rx, flags }: Rows, before: Float64Array): void {
    if (!t_fix || !t_rx) return
    for (let i = 0; i < slot.length; i++) {
      const known = before[slot[i]!]
      // Of a first position it is not known when it came.
      if (known === undefined || !(t_fix[i]! > known) || ((flags?.[i] ?? 0) & FLAG_CLOCK_UNPROVEN) !== 0) continue
      this.samples.push({ t, delayMs: Math.max(0, t_rx[i]! - t_fix[i]!) })
    }
    if (this.samples.length > SAMPLES_MAX) this.samples.splice(0, this.samples.length - SAMPLES_MAX)
  }

  /** Half of the positions of the last WINDOW_MS took no longer; NaN when none came. */
  medianMs(now: number): number {
    const delays = this.samples.filter(({ t }) => now - t < WINDOW_MS).map(({ delayMs }) => delayMs).sort((a, b) => a - b)
    return delays.length === 0 ? NaN : delays[Math.floor((delays.length - 1) / 2)]!
  }
}

/** 1240 -> "1.2", 12400 -> "12". */
export const secondsText = (ms: number): string => (ms < 9_950 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000)))
