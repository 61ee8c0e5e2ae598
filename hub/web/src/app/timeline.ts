/**
 * Which moment the map shows: now, or one of the last minutes while the live picture goes on underneath.
 *
 * Enters: the ring that `core` fills, and what a person does at the time conductor. Leaves: `source`, which the map
 * draws, and signals for the conductor. Alarms never come from here: they are of now, always.
 */
import { computed, effect, signal } from '@preact/signals'
import { Replay, ReplayClock, SPEEDS } from '../feed/replay'
import type { Trail, Trails } from '../feed/trails'
import { LIVE_MS } from '../laws/line'
import { live as liveOf, type PictureSource } from '../map/source'
import { clock, door, ring, store } from './core'

export const REWIND_MS = 30_000
/** As often as pictures come; oftener where a replay runs ahead of them. */
const BEAT_MS = 250
const BEAT_FAST_MS = 100
/** Nearer to now than this, a replay that plays has caught up. */
const CAUGHT_UP_MS = 400

export const livePicture = liveOf(store, clock)
const replay = signal<Replay | null>(null)

export const source = computed<PictureSource>(() => replay.value ?? livePicture)
export const replaying = computed(() => replay.value !== null)
/** Beats while a replay stands or plays, after its picture changed. */
export const pastBeat = signal(0)
export const playing = signal(true)
export const speed = signal(1)

/** Moment of the replay, hub ms; NaN while live. */
export const pastT = (): number => replay.peek()?.now() ?? NaN
/** Nothing was heard at that moment: what stands is older. */
export const pastSilent = (): boolean => (replay.peek()?.silence() ?? 0) > LIVE_MS
/** What can be gone back to, hub ms; NaN before the first snapshot. */
export const span = (): { from: number; until: number } => ({ from: ring.from, until: ring.until })

export function startTimeline(): void {
  effect(() => {
    if (!replaying.value) return
    const timer = setInterval(beat, speed.value > 1 ? BEAT_FAST_MS : BEAT_MS)
    return () => clearInterval(timer)
  })
  // Who signs out leaves nothing to look back at.
  effect(() => {
    if (door.value === 'in' || door.value === 'opening' || door.value === 'offline') return
    ring.clear()
    backToLive()
  })
}

function beat(): void {
  const now = replay.peek()
  if (!now) return
  if (!now.follow() || (now.clock.playing && now.now() > ring.until - CAUGHT_UP_MS && speed.peek() > 1)) return backToLive()
  pastBeat.value += 1
}

export function seek(t: number): void {
  const { from, until } = span()
  if (Number.isNaN(from)) return
  if (t >= until) return backToLive()
  const at = Math.max(from, t)
  let now = replay.peek()
  if (!now) {
    now = new Replay(ring, new ReplayClock(() => performance.now(), at), knownTrails)
    playing.value = true
    speed.value = 1
  }
  now.clock.set(at)
  now.follow()
  replay.value = now
  pastBeat.value += 1
}

/** `[` and `]`: half a minute back from what is seen, or forward until it is live again. */
export function rewind(byMs = -REWIND_MS): void {
  if (replay.peek() === null && byMs > 0) return
  seek((replay.peek()?.now() ?? clock.now()) + byMs)
}

export function step(direction: 1 | -1): void {
  if (replay.peek() === null) seek(ring.until - 1)
  replay.peek()?.step(direction)
  playing.value = replay.peek()?.clock.playing ?? true
  pastBeat.value += 1
}

export function togglePlay(): void {
  const now = replay.peek()
  if (!now) return
  now.clock.play(!now.clock.playing)
  playing.value = now.clock.playing
}

export function setSpeed(next: number): void {
  replay.peek()?.clock.setSpeed(next)
  speed.value = next
}

/** The next faster, or the next slower one. */
export function faster(direction: 1 | -1): void {
  const at = SPEEDS.indexOf(speed.peek() as (typeof SPEEDS)[number])
  setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + direction))]!)
}

export function backToLive(): void {
  replay.value = null
  speed.value = 1
  playing.value = true
}

/** Trails as they are known by now, up to the moment that is shown: a gap that was filled later is filled here too. */
function knownTrails(of: Replay): Pick<Trails, 'get'> {
  return {
    get: (slot) => {
      const id = of.meta(slot)?.id
      const now = id === undefined ? undefined : store.slotOf(id)
      const trail = now === undefined ? undefined : store.trails.get(now)
      return trail && until(trail, of.now())
    },
  }
}

function until(trail: Trail, t: number): Trail {
  const end = trail.t.findLastIndex((at) => at <= t) + 1
  return { t: trail.t.slice(0, end), lat: trail.lat.slice(0, end), lon: trail.lon.slice(0, end), joined: trail.joined.slice(0, end) }
}
