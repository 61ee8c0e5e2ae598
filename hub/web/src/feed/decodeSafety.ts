/**
 * Messages of hub.safety out of what msgpack gave. What is not there is empty or null, and an unknown message gives null.
 *
 * Called by `decode.ts`. Times are hub ms; a missing one is null, never 0.
 */
import { FeedError, isRecord, maps, number, numbers, orNull, plain, text, textOrNull, texts, type Raw } from './raw'
import {
  ROLL_STATES,
  type AirMember, type AirTeam, type AlarmHealth, type AlarmMessage, type AlarmState, type DraftMessage, type EvacuationMessage, type Geometry, type Priority,
  type RollMessage, type RollState, type SafetyMessage, type StationMessage, type WarningMessage, type ZoneMessage,
} from './safety'

const STATES: readonly AlarmState[] = ['raised', 'acknowledged', 'cleared', 'closed']
const num = (m: Raw, name: string): number | null => orNull(number(m[name], name))
const count = (m: Raw, name: string): number => num(m, name) ?? 0

function id(m: Raw): string {
  const found = text(m.id)
  if (found === '') throw new FeedError(`feed: ${String(m.k)} has no id`)
  return found
}

export function decodeSafety(m: Raw): SafetyMessage | null {
  switch (m.k) {
    case 'alarm': return decodeAlarm(m)
    case 'alarm_health': return health(m)
    case 'zone': return zone(m)
    case 'air': return { k: 'air', teams: maps(m.teams).map(airTeam) }
    case 'roll': return roll(m)
    case 'evacuation': return evacuation(m)
    case 'warning': return warning(m)
    case 'warning_draft': return draft(m)
    case 'station': return station(m)
    default: return null
  }
}

/** The same map comes as the answer of the HTTP routes. */
export function decodeAlarm(m: Raw): AlarmMessage {
  const priority = Math.min(4, Math.max(1, count(m, 'priority') || 1)) as Priority
  const state = STATES.find((known) => known === m.state) ?? 'raised'
  const t_hub = num(m, 't_hub') ?? NaN
  const { seen, shelved } = m
  return {
    k: 'alarm', id: id(m), kind: text(m.kind), priority, state,
    open: typeof m.open === 'boolean' ? m.open : state !== 'closed',
    units: texts(m.units), slots: numbers(m.slots),
    zh: text(m.zh), en: text(m.en), advice_zh: text(m.advice_zh), advice_en: text(m.advice_en),
    why: maps(m.why).map((w) => ({
      name: text(w.name), value: typeof w.value === 'string' ? w.value : number(w.value, 'why.value'), unit: text(w.unit), t: num(w, 't'),
    })),
    lat: num(m, 'lat'), lon: num(m, 'lon'), cause: text(m.cause), group: textOrNull(m.group),
    t_raised: num(m, 't_raised') ?? t_hub, t_hub, late: m.late === true, t_cleared: num(m, 't_cleared'),
    seen: isRecord(seen) ? { by: text(seen.by), t: number(seen.t, 'seen.t') } : null,
    shelved: isRecord(shelved) ? { by: text(shelved.by), until: number(shelved.until, 'shelved.until'), why: text(shelved.why) } : null,
    event: textOrNull(m.event), code: num(m, 'code'), escalation: count(m, 'escalation'), count: num(m, 'count') ?? 1, sound: m.sound !== false, calls: texts(m.calls),
  }
}

function health(m: Raw): AlarmHealth {
  const { callout } = m
  return {
    k: 'alarm_health', open: count(m, 'open'), unacknowledged: count(m, 'unacknowledged'), shelved: count(m, 'shelved'),
    flood: m.flood === true, in_10_min: count(m, 'in_10_min'),
    callout: isRecord(callout) ? { ok: callout.ok === true, words_zh: text(callout.words_zh), words_en: text(callout.words_en) } : null,
    screens: count(m, 'screens'), screens_silent: count(m, 'screens_silent'),
  }
}

const geometry = (value: unknown): Geometry | null =>
  isRecord(value) && Array.isArray(value.coordinates) ? (plain(value) as Geometry) : null

function zone(m: Raw): ZoneMessage {
  return {
    k: 'zone', id: id(m), name: text(m.name), kind: text(m.kind) || 'other', shape: text(m.shape),
    geometry: geometry(m.geometry), now: geometry(m.now) ?? geometry(m.geometry), colour: text(m.colour), source: text(m.source),
    from_utc_ms: num(m, 'from_utc_ms'), until_utc_ms: num(m, 'until_utc_ms'), follows: text(m.follows), grows_mps: count(m, 'grows_mps'),
    agency: text(m.agency), by: text(m.by), note: text(m.note), says_zh: text(m.says_zh), says_en: text(m.says_en), inside: numbers(m.inside), unsure: numbers(m.unsure), gone: m.gone === true,
  }
}

function airMember(m: Raw): AirMember {
  return {
    unit: textOrNull(m.unit), person: text(m.person), name: text(m.name), bar: num(m, 'bar'), t_bar: num(m, 't_bar'),
    minutes_left: num(m, 'minutes_left'), turn_back_s: num(m, 'turn_back_s'), by_hand: m.by_hand === true, stale: m.stale === true,
    inside: m.inside === true,
  }
}

function airTeam(m: Raw): AirTeam {
  const { retreat } = m
  return {
    id: id(m), name: text(m.name), zh: text(m.zh), en: text(m.en), state: text(m.state), members: maps(m.members).map(airMember),
    task: text(m.task), point: text(m.point), planned_s: num(m, 'planned_s'),
    lowest: textOrNull(m.lowest), turn_back_s: num(m, 'turn_back_s'), egress_s: num(m, 'egress_s'),
    retreat: isRecord(retreat) ? {
      recommend: retreat.recommend === true, binding: text(retreat.binding), margin_s: num(retreat, 'margin_s'), zh: text(retreat.zh), en: text(retreat.en),
      terms: maps(retreat.terms).map((t) => ({ name: text(t.name), zh: text(t.zh), en: text(t.en), value: num(t, 'value'), unit: text(t.unit) })),
    } : null,
  }
}

function roll(m: Raw): RollMessage {
  const counts = isRecord(m.counts) ? m.counts : {}
  return {
    k: 'roll', id: id(m), target: text(m.target), by: text(m.by), reason: text(m.reason), t: num(m, 't'), ended: num(m, 'ended'),
    name: text(m.name), reason_zh: text(m.reason_zh), reason_en: text(m.reason_en), replaced: text(m.replaced_by) !== '',
    counts: Object.fromEntries(ROLL_STATES.map((name) => [name, count(counts, name)])) as Record<RollState, number>,
    people: maps(m.people).map((p) => ({
      key: text(p.key) || text(p.unit) || text(p.person) || text(p.name), unit: textOrNull(p.unit), person: text(p.person), name: text(p.name),
      state: ROLL_STATES.find((known) => known === p.state) ?? 'unconfirmed', by: text(p.by), t: num(p, 't'),
    })),
  }
}

function evacuation(m: Raw): EvacuationMessage {
  const people = maps(m.people)
  return {
    k: 'evacuation', id: text(m.id) || String(count(m, 'seq')), target: text(m.target), by: Array.isArray(m.by) ? texts(m.by).join('、') : text(m.by),
    t: num(m, 't'), over: m.over === true, type: text(m.type) || 'evacuate', text: text(m.text), total: num(m, 'total') ?? people.length,
    people: people.map((p) => ({
      key: text(p.key) || text(p.unit) || text(p.person), unit: textOrNull(p.unit), person: text(p.person), name: text(p.name),
      delivered: num(p, 'delivered'), seen: num(p, 'seen'), acknowledged: num(p, 'acknowledged'), refused: num(p, 'refused'), by: text(p.by), lifted: p.lifted === true,
    })),
    not: texts(m.not),
  }
}

function warning(m: Raw): WarningMessage {
  return {
    k: 'warning', id: id(m), state: text(m.state), colour: text(m.colour), event: text(m.event), zh: text(m.zh), en: text(m.en),
    description: text(m.description), instruction: text(m.instruction), sender: text(m.sender_name) || text(m.sender), source: text(m.source),
    from_utc_ms: num(m, 't_from'), until_utc_ms: num(m, 't_until'), not_understood: texts(m.not_understood), gone: m.gone === true,
  }
}

function draft(m: Raw): DraftMessage {
  return {
    k: 'warning_draft', id: id(m), state: text(m.state), colour: text(m.colour), zh: text(m.zh), en: text(m.en), rule: text(m.rule),
    t_utc_ms: num(m, 't_utc_ms'), lat_deg: count(m, 'lat_deg'), lon_deg: count(m, 'lon_deg'), radius_m: count(m, 'radius_m'),
    inputs: maps(m.inputs).map((i) => ({
      station: text(i.station), quantity: text(i.quantity), value: count(i, 'value'), threshold: count(i, 'threshold'), unit: text(i.unit), t: num(i, 't_utc_ms'),
    })),
  }
}

function station(m: Raw): StationMessage {
  return {
    k: 'station', id: id(m), name: text(m.name), kind: text(m.kind), source: text(m.source), lat: num(m, 'lat'), lon: num(m, 'lon'),
    stale_s: num(m, 'stale_s'), values: maps(m.values).map((v) => ({
      name: text(v.name), zh: text(v.zh), en: text(v.en), value: num(v, 'value'), unit: text(v.unit), threshold: num(v, 'threshold'),
      over: v.over === true, colour: text(v.colour), t: num(v, 't'),
    })),
  }
}
