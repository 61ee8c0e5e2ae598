/**
 * Bytes of one WebSocket message -> a message of docs/feed.md, and back.
 *
 * Unknown messages give null, unknown keys and columns are dropped, and a known message that breaks the contract
 * raises `FeedError` saying what came and what is allowed; the socket counts and skips it. Called by `socket.ts`.
 */
import { decode as unpack, encode as pack } from '@msgpack/msgpack'
import {
  BRANCHES, COLUMN_TYPES, KINDS, ORDER_TYPES, RECEIPTS,
  type AllClear, type Branch, type Bye, type ColumnArray, type ColumnName, type Columns, type CommanderKey, type Entry,
  type Commanders, type EventState, type FeedEvent, type FromHub, type Gone, type Hello, type Kind, type Link, type Meta, type Notice,
  type OrderMessage, type OrderTarget, type Picture, type ReceiptsMessage, type SaidMessage, type Seen, type TargetState, type TextMessage, type ToHub,
  type UnitMeta,
} from './messages'
import { FeedError, isRecord, needed, number, orNull, text, type Raw } from './raw'
import { decodeReadiness } from './readiness'
import { decodeWhereabouts } from './whereabouts'
import { decodeSafety } from './decodeSafety'
import { decodeGround } from './ground'

export { FeedError }

const ROW_BYTES = { f64: 8, i32: 4, u32: 4, u16: 2, u8: 1 } as const
const LAYERS = { f64: Float64Array, i32: Int32Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array } as const

/** Letters of 2525C and APP-6B, or the 20 to 30 digits of 2525D. */
const SIDC = /^([A-Z*-]{10,15}|\d{20}|\d{30})$/

export function decode(bytes: ArrayBuffer | Uint8Array): FromHub | null {
  let raw: unknown
  try {
    // 64-bit integers come as bigint, or an event id would lose its last digits.
    raw = unpack(bytes, { useBigInt64: true })
  } catch (error) {
    throw new FeedError(`feed: not msgpack: ${String(error)}`)
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new FeedError('feed: message is no map')
  const message = raw as Raw
  switch (message.k) {
    case 'hello': return hello(message)
    case 'meta': return meta(message)
    case 'snap':
    case 'tick': return picture(message.k, message)
    case 'event': return event(message)
    case 'link': return link(message)
    case 'gone': return gone(message)
    case 'notice': return notice(message)
    case 'commanders': return commanders(message)
    case 'all_clear': return allClear(message)
    case 'said': return said(message)
    case 'order': return order(message)
    case 'receipts': return { k: 'receipts', seq: needed(message.seq, 'receipts.seq'), targets: targets(message.targets) } satisfies ReceiptsMessage
    case 'text': return textUp(message)
    case 'bye': return { k: 'bye', why: text(message.why) } satisfies Bye
    default: return decodeGround(message) ?? decodeSafety(message) ?? decodeReadiness(message) ?? decodeWhereabouts(message)
  }
}

export function encode(message: ToHub): Uint8Array<ArrayBuffer> {
  return pack(message) as Uint8Array<ArrayBuffer>
}

/** An order of a type that this screen does not know is none of ours to show. */
function order(m: Raw): OrderMessage | null {
  const type = ORDER_TYPES.find((known) => known === m.type)
  if (!type) return null
  return {
    k: 'order',
    seq: needed(m.seq, 'order.seq'),
    id: text(m.id),
    type,
    target: text(m.target),
    text: text(m.text),
    lat: orNull(number(m.lat, 'order.lat')),
    lon: orNull(number(m.lon, 'order.lon')),
    break_glass: typeof m.break_glass === 'string' ? m.break_glass : null,
    issuer: text(m.issuer),
    role: text(m.role),
    by: Array.isArray(m.by) ? m.by.map(text) : [],
    t: needed(m.t, 'order.t'),
    expires_utc_ms: needed(m.expires_utc_ms, 'order.expires_utc_ms'),
    targets: targets(m.targets),
  }
}

function targets(list: unknown): OrderTarget[] {
  if (!Array.isArray(list)) throw new FeedError('feed: order.targets is no list')
  return list.filter(isRecord).map((m) => {
    const target: OrderTarget = { unit: text(m.unit), state: text(m.state) as TargetState, sent: number(m.sent ?? 0, 'target.sent') }
    if (m.why !== undefined && m.why !== null) target.why = number(m.why, 'target.why')
    for (const name of RECEIPTS) {
      const at = m[name]
      if (Array.isArray(at) && at.length === 2) target[name] = [number(at[0], name), number(at[1], name)]
    }
    return target
  })
}

function textUp(m: Raw): TextMessage {
  return {
    k: 'text', id: text(m.id), unit: text(m.unit), slot: needed(m.slot, 'text.slot'), text: text(m.text), t: needed(m.t, 'text.t'),
    t_hub: needed(m.t_hub, 'text.t_hub'),
  }
}

function hello(m: Raw): Hello {
  return {
    k: 'hello',
    v: needed(m.v, 'hello.v'),
    t: needed(m.t, 'hello.t'),
    realm: text(m.realm),
    tick_ms: number(m.tick_ms ?? 250, 'hello.tick_ms'),
    name: text(m.name),
    drill: m.drill === true,
    ...(typeof m.role === 'string' && { role: m.role }),
    ...(Array.isArray(m.permissions) && { permissions: m.permissions.map(text) }),
    ...(Array.isArray(m.parts) && { parts: m.parts.map(text) }),
  }
}

function meta(m: Raw): Meta {
  if (!Array.isArray(m.units)) throw new FeedError('feed: meta.units is no list')
  return { k: 'meta', units: m.units.map((unit) => unitMeta(unit as Raw)) }
}

function unitMeta(u: Raw): UnitMeta {
  const kind = KINDS.find((name) => name === u.kind) ?? ('person' satisfies Kind)
  const branch = BRANCHES.find((name) => name === u.branch) ?? ('other' satisfies Branch)
  return {
    slot: needed(u.slot, 'unit.slot'),
    id: text(u.id),
    callsign: text(u.callsign) || text(u.id),
    kind,
    branch,
    team: text(u.team),
    device: number(u.device, 'unit.device'),
    stale_s: needed(u.stale_s, 'unit.stale_s'),
    lost_s: needed(u.lost_s, 'unit.lost_s'),
    ...(typeof u.fix_device === 'number' && { fix_device: u.fix_device }),
    ...(typeof u.floor === 'string' || typeof u.floor === 'number' ? { floor: u.floor } : {}),
    ...entry(u.entry),
    ...(typeof u.sidc === 'string' && SIDC.test(u.sidc) && { sidc: u.sidc }),
    ...(isRecord(u.reported) && { reported: { source: text(u.reported.source), by: text(u.reported.by) } }),
  }
}

/** It is only an addition: one that is not whole is left out, and the unit keeps its name. */
function entry(value: unknown): { entry?: Entry } {
  if (!isRecord(value)) return {}
  const [lat, lon, t] = [value.lat, value.lon, value.t].map(Number) as [number, number, number]
  return Number.isFinite(lat + lon + t) ? { entry: { lat, lon, t } } : {}
}

function picture(k: 'snap' | 'tick', m: Raw): Picture {
  const n = needed(m.n, `${k}.n`)
  const seq = needed(m.seq, `${k}.seq`)
  const since = number(m.since ?? seq - 1, `${k}.since`)
  return { k, t: needed(m.t, `${k}.t`), seq, n, c: columns(k, n, (m.c ?? {}) as Raw), since }
}

function columns(k: string, n: number, raw: Raw): Columns {
  const out: Columns = { slot: new Uint32Array(0) }
  for (const name of Object.keys(COLUMN_TYPES) as ColumnName[]) {
    if (raw[name] !== undefined) Object.assign(out, { [name]: column(k, name, n, raw[name]) })
  }
  if (out.slot.length !== n) throw new FeedError(`feed: ${k} has ${n} rows and no slot column`)
  return out
}

/** msgpack does not align, so the bytes are copied before an array is laid over them. */
function column(k: string, name: ColumnName, n: number, bin: unknown): ColumnArray {
  const type = COLUMN_TYPES[name]
  const bytesNeeded = n * ROW_BYTES[type]
  if (!(bin instanceof Uint8Array)) throw new FeedError(`feed: ${k}.c.${name} is no bin`)
  if (bin.byteLength !== bytesNeeded) {
    throw new FeedError(`feed: ${k}.c.${name} has ${bin.byteLength} bytes, ${n} rows of ${type} need ${bytesNeeded}`)
  }
  return new LAYERS[type](bin.slice().buffer)
}

function event(m: Raw): FeedEvent {
  const t = needed(m.t, 'event.t')
  return {
    k: 'event',
    id: String(m.id),
    t,
    slot: needed(m.slot, 'event.slot'),
    code: needed(m.code, 'event.code'),
    phase: number(m.phase ?? 0, 'event.phase'),
    value: orNull(number(m.value, 'event.value')),
    lat: orNull(number(m.lat, 'event.lat')),
    lon: orNull(number(m.lon, 'event.lon')),
    t_event: orNull(number(m.t_event, 'event.t_event')) ?? t,
    late: m.late === true || m.late === 1,
    ...(m.threshold !== undefined && { threshold: orNull(number(m.threshold, 'event.threshold')) }),
    ...(m.field !== undefined && { field: m.field === null ? null : text(m.field) }),
    ...(m.unit !== undefined && { unit: text(m.unit) }),
    ...(m.duty !== undefined && { duty: orNull(number(m.duty, 'event.duty')) }),
    ...(m.state !== undefined && { state: text(m.state) as EventState }),
    ...(m.t_raised !== undefined && { t_raised: orNull(number(m.t_raised, 'event.t_raised')) }),
    ...(m.seen !== undefined && { seen: seen(m.seen) }),
  }
}

function seen(value: unknown): Seen | null {
  return isRecord(value) ? { by: text(value.by), t: number(value.t, 'seen.t'), heard: value.heard === true } : null
}

function said(m: Raw): SaidMessage {
  return {
    k: 'said',
    slot: orNull(number(m.slot, 'said.slot')),
    source: needed(m.source, 'said.source'),
    id: needed(m.id, 'said.id'),
    name: text(m.name),
    text: text(m.text),
    t: needed(m.t, 'said.t'),
    by: text(m.by),
  }
}

function link(m: Raw): Link {
  return {
    k: 'link',
    broker: m.broker === true,
    t_broker: number(m.t_broker, 'link.t_broker'),
    silent: orNull(number(m.silent, 'link.silent')) ?? 0,
    refused: orNull(number(m.refused, 'link.refused')) ?? 0,
    ...(typeof m.fault === 'string' && { fault: m.fault }),
    ...(m.clock_offset_ms !== undefined && { clock_offset_ms: number(m.clock_offset_ms, 'link.clock_offset_ms') }),
    ...(m.t_heard !== undefined && { t_heard: number(m.t_heard, 'link.t_heard') }),
  }
}

function list(value: unknown, name: string): Raw[] {
  if (!Array.isArray(value)) throw new FeedError(`feed: ${name} is no list`)
  return value as Raw[]
}

function gone(m: Raw): Gone {
  return { k: 'gone', slots: list(m.slots, 'gone.slots').map((slot) => needed(slot, 'gone.slots')) }
}

function notice(m: Raw): Notice {
  return {
    k: 'notice',
    id: text(m.id),
    reason: text(m.reason),
    device: orNull(number(m.device, 'notice.device')) ?? 0,
    callsign: text(m.callsign),
    words: text(m.words),
    count: orNull(number(m.count, 'notice.count')) ?? 1,
    first_utc_ms: number(m.first_utc_ms, 'notice.first_utc_ms'),
    last_utc_ms: needed(m.last_utc_ms, 'notice.last_utc_ms'),
    taken_by: text(m.taken_by),
  }
}

function commanders(m: Raw): Commanders {
  const keys = list(m.keys, 'commanders.keys').map((key): CommanderKey => ({
    key_id: text(key.key_id),
    name: text(key.name),
    role: text(key.role),
    from_utc_ms: number(key.from_utc_ms, 'key.from_utc_ms'),
    until_utc_ms: needed(key.until_utc_ms, 'key.until_utc_ms'),
    offered_to: text(key.offered_to),
  }))
  return { k: 'commanders', list_number: needed(m.list_number, 'commanders.list_number'), keys }
}

function allClear(m: Raw): AllClear {
  return {
    k: 'all_clear',
    id: text(m.id),
    state: text(m.state),
    target: text(m.target),
    by: list(m.by, 'all_clear.by').map(text),
    break_glass: typeof m.break_glass === 'string' ? m.break_glass : null,
    core: text(m.core),
    t: needed(m.t, 'all_clear.t'),
    expires_utc_ms: needed(m.expires_utc_ms, 'all_clear.expires_utc_ms'),
  }
}
