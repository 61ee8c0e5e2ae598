/** The messages of hub.safety as types: docs/alarms.md, zones.md, entry.md, rollcall.md, warnings.md, stations.md. */

/** 1 is somebody in danger now: never shelved, never grouped away. */
export type Priority = 1 | 2 | 3 | 4
export type AlarmState = 'raised' | 'acknowledged' | 'cleared' | 'closed'
export interface Why { name: string; value: string | number; unit: string; t: number | null }

export interface AlarmMessage {
  k: 'alarm'
  id: string
  kind: string
  priority: Priority
  state: AlarmState
  open: boolean
  units: string[]
  slots: number[]
  zh: string
  en: string
  advice_zh: string
  advice_en: string
  why: Why[]
  lat: number | null
  lon: number | null
  cause: string
  group: string | null
  /** By the device or the cause; `t_hub` is when the hub heard of it. */
  t_raised: number
  t_hub: number
  late: boolean
  t_cleared: number | null
  seen: { by: string; t: number } | null
  shelved: { by: string; until: number; why: string } | null
  /** The edge's own event that it is, and its code. */
  event: string | null
  code: number | null
  escalation: number
  count: number
  sound: boolean
  /** Roles whose screens sound; none: everybody's. */
  calls: string[]
}

export interface AlarmHealth {
  k: 'alarm_health'
  open: number
  unacknowledged: number
  shelved: number
  flood: boolean
  in_10_min: number
  callout: { ok: boolean; words_zh: string; words_en: string } | null
  screens: number
  screens_silent: number
}

export type Position = [number, number]
export type Geometry =
  | { type: 'Point'; coordinates: Position }
  | { type: 'LineString'; coordinates: Position[] }
  | { type: 'Polygon'; coordinates: Position[][] }
  | { type: 'MultiPolygon'; coordinates: Position[][][] }

export interface ZoneMessage {
  k: 'zone'
  id: string
  name: string
  kind: string
  shape: string
  geometry: Geometry | null
  /** Where it is now: a moving or growing zone is not where it was drawn. */
  now: Geometry | null
  colour: string
  source: string
  from_utc_ms: number | null
  until_utc_ms: number | null
  follows: string
  grows_mps: number
  agency: string
  by: string
  note: string
  /** What of its place a person should know: its unit is silent, no wind is measured. */
  says_zh: string
  says_en: string
  inside: number[]
  unsure: number[]
  gone: boolean
}

export interface AirMember {
  unit: string | null
  person: string
  name: string
  bar: number | null
  t_bar: number | null
  minutes_left: number | null
  turn_back_s: number | null
  by_hand: boolean
  stale: boolean
  inside: boolean
}
export interface RetreatTerm { name: string; zh: string; en: string; value: number | null; unit: string }
export interface AirTeam {
  id: string
  name: string
  zh: string
  en: string
  /** standby, inside, coming_out or out. */
  state: string
  task: string
  point: string
  planned_s: number | null
  members: AirMember[]
  lowest: string | null
  turn_back_s: number | null
  egress_s: number | null
  retreat: { recommend: boolean; binding: string; margin_s: number | null; zh: string; en: string; terms: RetreatTerm[] } | null
}
export interface AirMessage { k: 'air'; teams: AirTeam[] }

export const ROLL_STATES = ['unconfirmed', 'stale', 'refused', 'voice', 'confirmed'] as const
export type RollState = (typeof ROLL_STATES)[number]
export interface RollPerson { key: string; unit: string | null; person: string; name: string; state: RollState; by: string; t: number | null }
export interface RollMessage {
  k: 'roll'
  id: string
  target: string
  by: string
  reason: string
  /** Its name, and why it was called, in words. */
  name: string
  reason_zh: string
  reason_en: string
  t: number | null
  ended: number | null
  replaced: boolean
  counts: Record<RollState, number>
  people: RollPerson[]
}

/** `key`: as in `not`. `by`: the officer who has told them by voice. `lifted`: an all-clear holds for them. */
export interface EvacuationPerson {
  key: string
  unit: string | null
  person: string
  name: string
  delivered: number | null
  seen: number | null
  acknowledged: number | null
  refused: number | null
  by: string
  lifted: boolean
}
export interface EvacuationMessage {
  k: 'evacuation'
  id: string
  target: string
  by: string
  t: number | null
  over: boolean
  type: string
  text: string
  total: number
  people: EvacuationPerson[]
  /** Who has not acknowledged: ids of units or of people by hand. */
  not: string[]
}

export interface WarningMessage {
  k: 'warning'
  id: string
  state: string
  colour: string
  event: string
  zh: string
  en: string
  description: string
  instruction: string
  sender: string
  source: string
  from_utc_ms: number | null
  until_utc_ms: number | null
  /** What of it the hub could not read: places, codes. */
  not_understood: string[]
  gone: boolean
}

/** Coinciding exceedances, for a person to issue or to dismiss. */
export interface DraftMessage {
  k: 'warning_draft'
  id: string
  state: string
  colour: string
  zh: string
  en: string
  rule: string
  t_utc_ms: number | null
  lat_deg: number
  lon_deg: number
  radius_m: number
  inputs: { station: string; quantity: string; value: number; threshold: number; unit: string; t: number | null }[]
}

export interface StationValue { name: string; zh: string; en: string; value: number | null; unit: string; threshold: number | null; over: boolean; colour: string; t: number | null }
/** `stale_s`: a value that is older is stale; null: the hub does not say. */
export interface StationMessage { k: 'station'; id: string; name: string; kind: string; source: string; lat: number | null; lon: number | null; stale_s: number | null; values: StationValue[] }

export type SafetyMessage =
  | AlarmMessage | AlarmHealth | ZoneMessage | AirMessage | RollMessage | EvacuationMessage | WarningMessage | DraftMessage | StationMessage
