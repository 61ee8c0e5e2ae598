/** Messages `inside` and `vehicle`: where somebody went in, and what a vehicle is doing. Types, and the decoder that `decode.ts` asks. */
import type { Entry } from './messages'
import { isRecord, needed, number, orNull, text, type Raw } from './raw'

/** `state` `out`: it has come out. `entry`: the way in, undefined when nobody knows it. */
export interface InsideMessage { k: 'inside'; slot: number; state: string; floor: number | null; entry: Entry | undefined; since: number | null }
/** `code` of GA/T 974.39, 0: nothing is known any more. `by`: whose word it is, "" the hub's own judgement. */
export interface VehicleMessage { k: 'vehicle'; slot: number; code: number; zh: string; en: string; by: string }
export type WhereaboutsMessage = InsideMessage | VehicleMessage

export function decodeWhereabouts(m: Raw): WhereaboutsMessage | null {
  if (m.k === 'vehicle') return { k: 'vehicle', slot: needed(m.slot, 'vehicle.slot'), code: needed(m.code, 'vehicle.code'), zh: text(m.zh), en: text(m.en), by: text(m.by) }
  if (m.k !== 'inside') return null
  return {
    k: 'inside', slot: needed(m.slot, 'inside.slot'), state: text(m.state), floor: orNull(number(m.floor, 'inside.floor')), entry: entry(m.entrance),
    since: orNull(number(m.since_utc_ms, 'inside.since_utc_ms')),
  }
}

function entry(value: unknown): Entry | undefined {
  if (!isRecord(value)) return undefined
  const [lat, lon, t] = [value.lat_deg, value.lon_deg, value.t_utc_ms].map((one) => number(one, 'inside.entrance')) as [number, number, number]
  return Number.isNaN(lat + lon + t) ? undefined : { lat, lon, t }
}
