/**
 * Whether we hear a unit, and how old its position is. Pure: every function takes the time.
 *
 * Called by the store's counts, the list, the map and the drawer. There is one answer for all of them: a unit that
 * is stale in the list can not be live on the map.
 */

/** `unheard` has never sent anything; `lost` has, but not for `lost_s`. */
export type Contact = 'online' | 'stale' | 'lost' | 'unheard'

/** What a row or a symbol says first. Alarms stand before contact, but never hide it. */
export type State = 'sos' | 'mandown' | Contact

export const FLAG_SOS = 1
export const FLAG_MAN_DOWN = 2
export const FLAG_LOW_AIR = 4
export const FLAG_GAS = 8
export const FLAG_CLOCK_UNPROVEN = 16
export const FLAG_QUARANTINED = 32
export const FLAG_BODY = 64
export const FLAG_DEVICE = 128
/** The newest position is a report by dead reckoning: silence says that all is as predicted. */
export const FLAG_RECKONED = 256
/** The newest fix does not fit the way of the unit: its circle reaches to where it was expected. */
export const FLAG_OUTLIER = 512
/** The receiver gave none: speed and course are those of the unit's track. */
export const FLAG_TRACKED = 1024

/** A thing that only others report leaves the picture when nobody has heard it for a day. */
export const REPORTED_SHOWN_MS = 86_400_000

export function isForgotten(isReported: boolean, nowMs: number, rxMs: number): boolean {
  return isReported && !(nowMs - rxMs < REPORTED_SHOWN_MS)
}

/** Seconds since the position was true, at least 0; NaN when there never was one. */
export function ageS(nowMs: number, fixMs: number): number {
  return Math.max(0, (nowMs - fixMs) / 1000)
}

/**
 * Silence is the time since anything came; age is the time since the position was true. A unit that still sends its
 * heart rate from a tunnel is not lost, but its position is stale. A device whose clock runs ahead can not make its
 * position younger than the silence. `nowMs`, `rxMs`, `fixMs` in UTC ms of the hub, NaN for never.
 */
export function contact(nowMs: number, rxMs: number, fixMs: number, staleS: number, lostS: number): Contact {
  if (Number.isNaN(rxMs)) return 'unheard'
  const silenceS = (nowMs - rxMs) / 1000
  if (silenceS > lostS) return 'lost'
  if (silenceS > staleS) return 'stale'
  const positionAgeS = (nowMs - fixMs) / 1000
  return positionAgeS > staleS ? 'stale' : 'online'
}

export function state(of: Contact, flags: number): State {
  if (flags & FLAG_SOS) return 'sos'
  if (flags & FLAG_MAN_DOWN) return 'mandown'
  return of
}
