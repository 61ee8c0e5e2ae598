/**
 * How much a machine is asked to draw: less when frames come late, more again after a while. Pure.
 *
 * Enters: how long frames took while something moved by itself or under a hand. Leaves: whether symbols glide between
 * two pictures or are drawn once a picture, and whether the ground is drawn coarsely while a hand moves it. Called by
 * `map/overlay.ts`. It never drops what is said, only how smoothly it moves.
 */

/** 95 of 100 frames are to be quicker than this, ms; else symbols are drawn with each picture only. */
export const GLIDE_MS_MAX = 40
/** And than this, ms; else the ground has half the pixels while it is moved. */
export const SHARP_MS_MAX = 100
/** So many frames are judged together; fewer say nothing. */
const FRAMES = 40
/** After so long it is tried again, ms, and twice as long after each time in vain. */
const AGAIN_MS = 30_000
const AGAIN_MS_MAX = 15 * 60_000
/** Two frames further apart were no motion. */
const FRAME_MS_MAX = 1_000

export interface Pace {
  readonly glide: boolean
  readonly coarse: boolean
  readonly frames: readonly number[]
  readonly againAt: number
  readonly waitMs: number
}

export const FULL_PACE: Pace = { glide: true, coarse: false, frames: [], againAt: Infinity, waitMs: AGAIN_MS }

export function p95(frames: readonly number[]): number {
  const sorted = [...frames].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? NaN
}

/** Takes a frame's length at the time `nowMs`, both of this machine. */
export function paced(before: Pace, frameMs: number, nowMs: number): Pace {
  if (!(frameMs <= FRAME_MS_MAX)) return before
  const frames = [...before.frames, frameMs]
  if (frames.length < FRAMES) return { ...before, frames }
  const late = p95(frames)
  const [glide, coarse] = [before.glide && late <= GLIDE_MS_MAX, before.coarse || late > SHARP_MS_MAX]
  const worse = glide !== before.glide || coarse !== before.coarse
  if (!worse) return { ...before, frames: [] }
  return { glide, coarse, frames: [], againAt: nowMs + before.waitMs, waitMs: Math.min(before.waitMs * 2, AGAIN_MS_MAX) }
}

/** Back to full pace when the wait is over: whatever made the machine slow may have ended. */
export function retried(before: Pace, nowMs: number): Pace {
  return nowMs < before.againAt ? before : { ...FULL_PACE, waitMs: before.waitMs }
}
