/**
 * What people keep by hand: cameras, and nets that no gateway tells of. Types, and the decoder that `decode.ts` asks last.
 *
 * An address that a page may not open (other than http and https) comes out as "", so that nothing is ever opened by it.
 */
import { FeedError, number, orNull, text, type Raw } from './raw'

export const NET_GROUPS = ['voice', 'video', 'sensing', 'beidou'] as const
export type NetGroup = (typeof NET_GROUPS)[number]
export const NET_STATES = ['up', 'held', 'down', 'off'] as const
export type NetState = (typeof NET_STATES)[number]

export interface Camera {
  k: 'camera'; id: string; name: string; way: 'hls' | 'whep'; url: string; unit: string; lat: number | null; lon: number | null; by: string
  t: number; gone: boolean
}
export interface Net { k: 'net'; id: string; group: NetGroup; name: string; state: NetState; note: string; by: string; t: number; gone: boolean }
export type ReadinessMessage = Camera | Net

export function decodeReadiness(m: Raw): ReadinessMessage | null {
  const id = text(m.id)
  if ((m.k === 'camera' || m.k === 'net') && id === '') throw new FeedError(`feed: ${m.k} has no id`)
  const common = { id, name: text(m.name) || id, by: text(m.by), t: number(m.t_utc_ms, 't_utc_ms'), gone: m.gone === true }
  if (m.k === 'camera') {
    const url = /^https?:\/\//i.test(text(m.url)) ? text(m.url) : ''
    return { k: 'camera', ...common, way: m.way === 'whep' ? 'whep' : 'hls', url, unit: text(m.unit), lat: orNull(number(m.lat, 'lat')), lon: orNull(number(m.lon, 'lon')) }
  }
  if (m.k !== 'net') return null
  const group = NET_GROUPS.find((one) => one === m.group) ?? 'sensing'
  return { k: 'net', ...common, group, state: NET_STATES.find((one) => one === m.state) ?? 'off', note: text(m.note) }
}
