/** What may be said of the picture as a whole: whether it is live, and if not, why not. Pure. */

/**
 * `first`: nothing came yet. `live`. `cut`: nothing came for LIVE_MS. `paused`: this tab was out of sight and takes no
 * ticks, or is back and waits for its snapshot. `old`: no hub was reached, and the last picture of an earlier visit stands.
 */
export type Line = 'first' | 'live' | 'cut' | 'paused' | 'old'

/** docs/feed.md: who has heard nothing for this long is not live. */
export const LIVE_MS = 2_000
/** A tab that is back waits so long for its snapshot before it is called cut off. */
export const CATCH_UP_MS = 5_000
/** Beyond this, times that this machine shows elsewhere cannot be compared with those of the hub. */
export const SKEW_MS = 5_000

export interface Heard {
  /** Since the last picture; NaN when none came in this visit. */
  quietMs: number
  open: boolean
  hidden: boolean
  /** Since the tab came back; NaN when it was never hidden, or has had its snapshot. */
  backMs: number
  hasOld: boolean
}

export function lineOf({ quietMs, open, hidden, backMs, hasOld }: Heard): Line {
  if (Number.isNaN(quietMs)) return hasOld ? 'old' : 'first'
  if (open && (hidden || backMs < CATCH_UP_MS)) return 'paused'
  return quietMs < LIVE_MS ? 'live' : 'cut'
}

/** By how much this machine's clock is ahead of the hub's, ms; 0 while it does not matter, or is not known. */
export function skewMs(wallMs: number, hubMs: number): number {
  const ahead = wallMs - hubMs
  return Math.abs(ahead) > SKEW_MS ? ahead : 0
}
