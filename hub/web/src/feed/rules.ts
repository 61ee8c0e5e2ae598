/** Rules and dry runs as the hub's HTTP says them (docs/rules.md), looked at with care. */
import { isRecord, maps, number, orNull, text, textOrNull, texts, type Raw } from './raw'
import type { Priority } from './safety'

export interface Rule {
  id: string
  kind: string
  zh: string
  en: string
  enabled: boolean
  priority: Priority
  origin: string
  changed: { by: string; t: number } | null
  standing: number
  trouble: string
  /** As it would be saved. */
  rule: Raw
}

export interface Firing {
  t: number
  until: number | null
  unit: string
  callsign: string
  value: number | null
  lat: number | null
  lon: number | null
  zh: string
  en: string
}

export interface Tried {
  count: number
  firings: Firing[]
  units: number
  rows: number
  until: number
  truncated: boolean
  trouble: string
}

const PRIORITIES: readonly Priority[] = [1, 2, 3, 4]

function ruleOf(said: Raw): Rule {
  const { changed } = said
  return {
    id: text(said.id), kind: text(said.kind), zh: text(said.zh), en: text(said.en), enabled: said.enabled !== false,
    priority: PRIORITIES.find((one) => one === said.priority) ?? 3, origin: text(said.origin),
    changed: isRecord(changed) ? { by: text(changed.by), t: number(changed.t_utc_ms, 'changed') } : null,
    standing: number(said.standing ?? 0, 'standing'), trouble: text(said.trouble), rule: isRecord(said.rule) ? said.rule : {},
  }
}

/** The rules in the order of their file, whatever stands: nothing moves under a finger. */
export function rulesOf(said: Raw): { rules: Rule[]; file: string; errors: string[] } {
  const rules = maps(said.rules).map(ruleOf).filter(({ id }) => id !== '')
  return { rules, file: text(said.file), errors: texts(said.errors) }
}

/** A dry run, the newest firing first. */
export function triedOf(said: Raw): Tried {
  const firings = maps(said.firings).map((one): Firing => ({
    t: number(one.t_utc_ms, 'a firing'), until: orNull(number(one.until_utc_ms, 'a firing')), unit: text(one.unit), callsign: text(one.callsign),
    value: orNull(number(one.value, 'a firing')), lat: orNull(number(one.lat, 'a firing')), lon: orNull(number(one.lon, 'a firing')),
    zh: textOrNull(one.zh) ?? '', en: textOrNull(one.en) ?? '',
  }))
  return {
    count: number(said.count ?? firings.length, 'count'), firings: firings.sort((a, b) => b.t - a.t), rows: number(said.looked_rows ?? 0, 'rows'),
    units: isRecord(said.by_unit) ? Object.keys(said.by_unit).length : 0, until: number(said.looked_until_utc_ms, 'until'),
    truncated: said.truncated === true, trouble: text(said.trouble),
  }
}
