/**
 * How far a silent unit may be from its last fix.
 *
 * Enters: the radius at the fix and the seconds since. Leaves: a radius in metres. Called by the map, the detail
 * drawer and nobody else, so that every picture of doubt is the same one.
 */
import type { Kind } from '../feed/messages'

export interface Motion {
  /** Spread of the velocity, m/s. */
  speedSigmaMps: number
  /** How long a velocity lasts, s. */
  memoryS: number
  /** Nobody of this kind is faster, m/s. */
  speedMaxMps: number
}

const ON_FOOT: Motion = { speedSigmaMps: 0.8, memoryS: 60, speedMaxMps: 6 }
const ON_WHEELS: Motion = { speedSigmaMps: 8, memoryS: 60, speedMaxMps: 40 }

/**
 * The contract gives persons and vehicles. A drone or a vessel is as fast as a vehicle; a base may have been
 * carried away, so it is a person and not a stone.
 */
export const MOTIONS: Record<Kind, Motion> = {
  person: ON_FOOT,
  base: ON_FOOT,
  vehicle: ON_WHEELS,
  drone: ON_WHEELS,
  vessel: ON_WHEELS,
}

/** Radius taken for a fix that came without one, metres: a poor fix between buildings. Shown as "unknown" in words. */
export const ACCURACY_UNKNOWN_M = 25

/**
 * Radius of the 68 % circle `ageS` seconds after a fix of radius `accuracyM`, metres. Never less than `accuracyM`.
 *
 * **Source:** docs/feed.md "Doubt": an Ornstein–Uhlenbeck velocity integrated over the silence, capped by the
 * fastest possible straight line.
 */
export function doubtM(accuracyM: number, ageS: number, motion: Motion): number {
  const silenceS = Math.max(0, ageS)
  const { speedSigmaMps, memoryS, speedMaxMps } = motion
  const walked = 2 * speedSigmaMps ** 2 * memoryS * (silenceS - memoryS * (1 - Math.exp(-silenceS / memoryS)))
  return Math.min(Math.sqrt(accuracyM ** 2 + walked), speedMaxMps * silenceS + accuracyM)
}
