/** Whether a video shows now, or only looks as if. Pure. Called by `video/VideoWall.tsx` with the page's monotonic clock. */

/** A picture that has not moved on for so long is a still and no video. */
export const STILL_MS = 3_000

export type VideoState = 'opening' | 'live' | 'still' | 'failed'

/** `movedMono`: when the picture last moved on, NaN: never yet. `failure`: why it can not be had, "" while it may. */
export function videoState(nowMono: number, movedMono: number, failure: string): VideoState {
  if (failure !== '') return 'failed'
  if (Number.isNaN(movedMono)) return 'opening'
  return nowMono - movedMono > STILL_MS ? 'still' : 'live'
}
