/** The hub's HTTP beside the feed. Every call gives its answer or raises `ApiError` with the status. */
import { decode } from '@msgpack/msgpack'
import { isRecord } from '../feed/raw'
import type { EventState, Seen } from '../feed/messages'

const BASE = '/api/v1'

export class ApiError extends Error {
  /** `detail`: the hub's own words; `waitS`: it wants to be asked again only after so many seconds. */
  constructor(readonly status: number, readonly detail = '', readonly waitS = 0) {
    super(`hub answered ${status}`)
  }
}

export interface Session {
  name: string
  role: string
  title_zh: string
  title_en: string
  agency: string
  team: string
  realm: string
  drill: boolean
  version: string
  permissions: string[]
  session: string
  has_password: boolean
}
export interface Value { name: string; zh: string; en: string; unit: string; value: unknown; t_utc_ms: number }
export interface Series { t: number[]; min: (number | null)[]; max: (number | null)[] }
/** `gap` 0: it belongs together with the point before, however far apart in time. */
export interface TrailColumns { t: Float64Array; lat: Int32Array; lon: Int32Array; gap: Uint8Array }

async function call(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(BASE + path, { credentials: 'same-origin', cache: 'no-store', ...init })
  if (!response.ok) {
    const said = await response.json().catch(() => null)
    const detail: unknown = said?.detail
    throw new ApiError(response.status, typeof detail === 'string' ? detail : '', Number(response.headers.get('retry-after')) || 0)
  }
  return response
}

/** A JSON question with a JSON answer; null for an answer without a body. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method }
  if (body !== undefined) Object.assign(init, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const response = await call(path, init)
  return response.status === 204 ? (null as T) : response.json()
}

/** A file as the body; its first bytes say what it is. */
export async function send<T>(method: string, path: string, body: Blob): Promise<T> {
  return (await call(path, { method, body, headers: { 'content-type': 'application/octet-stream' } })).json()
}

export const session = (): Promise<Session> => ask('GET', '/session')
export const signIn = (how: { token: string } | { name: string; password: string }): Promise<Session> => ask('POST', '/session', how)
export const signOut = (): Promise<null> => ask('DELETE', '/session')

const unitPath = (id: string): string => `/units/${encodeURIComponent(id)}`

/** The unit as the hub has it now: last values, and the state of a vehicle. */
export async function unitNow(id: string, signal: AbortSignal): Promise<{ values: Value[]; vehicle: Record<string, unknown> | null }> {
  const body = await (await call(unitPath(id), { signal })).json()
  const vehicle: unknown = body.vehicle_state ?? body.vehicle
  return { values: Array.isArray(body.values) ? body.values : [], vehicle: isRecord(vehicle) ? vehicle : null }
}

export async function series(
  id: string, channels: string[], fromMs: number, toMs: number, points: number, signal: AbortSignal,
): Promise<Record<string, Series>> {
  const query = new URLSearchParams({
    channels: channels.join(','), from: String(Math.round(fromMs)), to: String(Math.round(toMs)), points: String(points),
  })
  return (await (await call(`${unitPath(id)}/series?${query}`, { signal })).json()).channels ?? {}
}

/** An event as the hub lists it, open or not. */
export interface EventRow {
  id: string; slot: number; code: number; state: EventState; value: number | null; threshold: number | null; field: string | null
  unit: string; t_event: number; t_raised: number | null; late: boolean; seen: Seen | null
}

/** The latest events of a unit, the newest first. */
export async function eventsOf(id: string, most: number, signal: AbortSignal): Promise<EventRow[]> {
  const query = new URLSearchParams({ unit: id, limit: String(most) })
  return (await (await call(`/events?${query}`, { signal })).json()).events ?? []
}

/** One bearer of a gateway as it told it at `t_utc_ms`. */
export interface Link {
  place: number; name: string; bearer: string; state: string; loss_permille: number | null; delay_ms: number | null
  backlog_rows: number | null; ok_utc_ms: number | null; duty_permille: number | null; t_utc_ms: number
}
/** A way by which the hub heard a device; `relay` 0: itself. */
export interface Way { bearer: string; relay: number; relay_callsign: string; heard_utc_ms: number; frames: number }
/** `unit` "" when nobody carries the device now. */
export interface DeviceLinks { device: number; unit: string; callsign: string; links: Link[]; ways: Way[] }

export const linksOf = (device: number): Promise<DeviceLinks> => ask('GET', `/links/${device}`)

/** I have seen it. */
export const seeEvent = (id: string): Promise<EventRow> => ask('POST', `/events/${encodeURIComponent(id)}/seen`)

/** Oldest first, true to a metre unless that takes more points. */
export async function trail(id: string, fromMs: number, toMs: number, points: number): Promise<TrailColumns> {
  const query = new URLSearchParams({ from: String(Math.round(fromMs)), to: String(Math.round(toMs)), points: String(points), zoom: '17' })
  const response = await call(`${unitPath(id)}/trail?${query}`, { headers: { accept: 'application/msgpack' } })
  const { c } = decode(await response.arrayBuffer()) as { c: Record<string, Uint8Array> }
  const copy = (name: string): ArrayBuffer => (c[name] ?? new Uint8Array(0)).slice().buffer
  return { t: new Float64Array(copy('t')), lat: new Int32Array(copy('lat')), lon: new Int32Array(copy('lon')), gap: new Uint8Array(copy('gap')) }
}
