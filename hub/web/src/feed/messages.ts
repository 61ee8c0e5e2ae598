/**
 * The messages of docs/feed.md as types. Nothing here does anything: `decode.ts` makes them from bytes.
 */
import type { ReadinessMessage } from './readiness'
import type { WhereaboutsMessage } from './whereabouts'
import type { GroundMessage } from './ground'
import type { SafetyMessage } from './safety'

export const KINDS = ['person', 'vehicle', 'drone', 'vessel', 'base'] as const
export type Kind = (typeof KINDS)[number]

export const BRANCHES = ['fire', 'medical', 'mine', 'flood', 'hazmat', 'police', 'command', 'other'] as const
export type Branch = (typeof BRANCHES)[number]

export interface UnitMeta {
  slot: number
  id: string
  callsign: string
  kind: Kind
  branch: Branch
  team: string
  device: number
  stale_s: number
  lost_s: number
  /** Of a unit with several devices: the one at whose fix it is drawn. */
  fix_device?: number
  /** It has no device of ours: by what it was heard, and the id of the unit that reports it. */
  reported?: { source: string; by: string }
  /** Where in a building it is: a number (-2 is the second below ground) or a word. */
  floor?: string | number
  /** Where and when it went in. */
  entry?: Entry
  /** Symbol code of somebody else's standard, as MIL-STD-2525 and APP-6 have them. */
  sidc?: string
}

/** Degrees, UTC ms. */
export interface Entry { lat: number; lon: number; t: number }

/** Every column of `snap` and `tick`, with the type that its bytes are. */
export const COLUMN_TYPES = {
  slot: 'u32',
  t_fix: 'f64',
  t_rx: 'f64',
  lat: 'i32',
  lon: 'i32',
  alt: 'i32',
  speed: 'u16',
  course: 'u16',
  hacc: 'u16',
  mode: 'u8',
  flags: 'u16',
  hr: 'u8',
  bat: 'u8',
  air: 'u16',
  hist: 'u32',
} as const

export type ColumnName = keyof typeof COLUMN_TYPES
export type ColumnArray = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array
export type Columns = { slot: Uint32Array } & Partial<Record<ColumnName, ColumnArray>>

export const ABSENT = { alt: -(2 ** 31), u16: 65535, u8: 255 } as const

/** `code` of an event, as protocols/catalog.py numbers them. */
export const EVENT_SOS = 1
export const EVENT_MAN_DOWN = 2
/** Codes from here on happened and are never open. */
export const HAPPENINGS_FROM = 64
/** `phase` from here on means that the event is over. */
export const PHASE_CLEARED = 2

export interface Hello { k: 'hello'; v: number; t: number; realm: string; tick_ms: number; name: string; drill: boolean; role?: string; permissions?: string[]; parts?: string[] }
export interface Meta { k: 'meta'; units: UnitMeta[] }
export interface Picture {
  k: 'snap' | 'tick'
  t: number
  seq: number
  n: number
  c: Columns
  /** A tick holds all changes after this tick: the one before `seq`, unless the hub put several together. */
  since: number
}
export interface FeedEvent {
  k: 'event'
  /** Kept as text: an id has up to 63 bits, more than a number holds. */
  id: string
  t: number
  slot: number
  code: number
  phase: number
  value: number | null
  lat: number | null
  lon: number | null
  t_event: number
  late: boolean
  threshold?: number | null
  /** The catalog's name of what was measured, and its unit. */
  field?: string | null
  unit?: string
  duty?: number | null
  state?: EventState
  t_raised?: number | null
  seen?: Seen | null
}
export type EventState = 'raised' | 'acknowledged' | 'cleared' | 'happened'
/** Who acknowledged an event; `heard`: the device has told its wearer. */
export interface Seen { by: string; t: number; heard: boolean }
/** What somebody wrote, as a unit's device heard it. It is a stranger's text. */
export interface SaidMessage { k: 'said'; slot: number | null; source: number; id: number; name: string; text: string; t: number; by: string }
export interface Link { k: 'link'; broker: boolean; t_broker: number; silent: number; refused: number; fault?: string; clock_offset_ms?: number; t_heard?: number }
export interface Bye { k: 'bye'; why: string }
/** Units that this person sees no longer. */
export interface Gone { k: 'gone'; slots: number[] }
export interface Notice {
  k: 'notice'
  id: string
  reason: string
  device: number
  callsign: string
  words: string
  count: number
  first_utc_ms: number
  last_utc_ms: number
  taken_by: string
}
export interface CommanderKey { key_id: string; name: string; role: string; from_utc_ms: number; until_utc_ms: number; offered_to: string }
export interface Commanders { k: 'commanders'; list_number: number; keys: CommanderKey[] }
export interface AllClear {
  k: 'all_clear'
  id: string
  state: string
  target: string
  by: string[]
  break_glass: string | null
  /** The signed bytes, hexadecimal: the second person signs exactly these. */
  core: string
  t: number
  expires_utc_ms: number
}

export const ORDER_TYPES = ['evacuate', 'retreat', 'all_clear', 'text', 'roll_call', 'task', 'config'] as const
export type OrderType = (typeof ORDER_TYPES)[number]
/** What a device says of an order, from little to much. */
export const RECEIPTS = ['received', 'shown', 'answered', 'accepted', 'refused', 'done'] as const
export type Receipt = (typeof RECEIPTS)[number]
export type TargetState = Receipt | 'waiting' | 'sent' | 'no_device' | 'expired' | 'lifted'
/** One unit of an order. A receipt is [by the device's clock, heard by the hub], UTC ms. */
export type OrderTarget = { unit: string; state: TargetState; sent: number; why?: number | null } & { [R in Receipt]?: [number, number] }
export interface OrderMessage {
  k: 'order'
  seq: number
  id: string
  type: OrderType
  target: string
  text: string
  lat: number | null
  lon: number | null
  break_glass: string | null
  issuer: string
  role: string
  by: string[]
  t: number
  expires_utc_ms: number
  targets: OrderTarget[]
}
/** Some units of an order, as they are now. */
export interface ReceiptsMessage { k: 'receipts'; seq: number; targets: OrderTarget[] }
/** What a wearer wrote. */
export interface TextMessage { k: 'text'; id: string; unit: string; slot: number; text: string; t: number; t_hub: number }

export type FromHub =
  | Hello | Meta | Picture | FeedEvent | Link | Bye | Gone | Notice | Commanders | AllClear | SaidMessage | OrderMessage | ReceiptsMessage
  | TextMessage | SafetyMessage | ReadinessMessage | GroundMessage | WhereaboutsMessage
export type ToHub =
  | { k: 'resume'; seq: number } | { k: 'pause' } | { k: 'go' }
  /** Alarms that stand on this screen before somebody's eyes; whether this browser makes sound. */
  | { k: 'shown'; ids: string[] } | { k: 'sound'; may: boolean }
