/** Values of the catalog in words, and the groups in which the drawer shows them. */
import type { Value } from '../api/http'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { measureText } from '../laws/words'

/** Bit n of `gas_faults` and `gas_over`, as protocols/catalog.py orders them. */
export const GASES = ['lel_permille', 'o2_permille', 'co_ppm', 'h2s_dppm', 'co2_ppm', 'so2_dppm', 'nh3_dppm', 'cl2_dppm', 'voc_dppm'] as const

const GROUPS: [Key, RegExp][] = [
  ['group_life', /^(heart|strain|core|duty|pass_state|activity|posture)(_|$)/],
  ['group_air', /^(scba|air|turn_back)_/],
  ['group_gas', /^(lel|o2|co|h2s|co2|so2|nh3|cl2|voc|gas)_/],
  ['group_place', /^(heading|floor|sats|gps|glonass|galileo|beidou|qzss|corrections|obs_height|obs_roll|obs_pitch)(_|$)/],
  ['group_vehicle', /^(engine|coolant|fuel|wheel)_/],
  ['group_weather', /^(ambient|wind|humidity|pressure|sun)_/],
  ['group_device', /./],
]

/** Stand in words above as parts of the position with its age, or beside the value they belong to. */
const SAID_ELSEWHERE = /^(lat|lon|alt|speed|fix_mode|hacc|course|floor_band|core_band)(_|$)/

/** The values by group, groups in their order, values in the catalog's. */
export function grouped(values: readonly Value[]): [Key, Value[]][] {
  const out = GROUPS.map(([key]): [Key, Value[]] => [key, []])
  for (const value of values) {
    if (!SAID_ELSEWHERE.test(value.name)) out[GROUPS.findIndex(([, name]) => name.test(value.name))]![1].push(value)
  }
  return out.filter(([, some]) => some.length > 0)
}

/** Short names of what alarms measure; else the name itself. */
export function fieldName(name: string): string {
  const key = `field_${name}`
  return key in zh ? t(key as Key) : name
}

export const nameOf = (value: Value): string => (lang.value === 'zh' ? value.zh : value.en) || value.name

const ENUMS: Record<string, string> = {
  fix_mode: 'mode', obs_fix_mode: 'mode', clock_source: 'clock', duty: 'duty', pass_state: 'pass', posture: 'posture',
  corrections: 'corrections', obs_armed: 'armed',
}

/** One value as a crew reads it. `others` are the unit's other values: a floor stands with its uncertainty. */
export function valueText({ name, value, unit }: Pick<Value, 'name' | 'value' | 'unit'>, others: readonly Value[] = []): string {
  if (typeof value !== 'number') return value === null || value === undefined ? '—' : String(value)
  const prefix = ENUMS[name]
  if (prefix) return `${prefix}_${value}` in zh ? t(`${prefix}_${value}` as Key) : String(value)
  const beside = (other: string): string => {
    const found = others.find((one) => one.name === other)?.value
    return typeof found === 'number' ? ` ±${found}` : ''
  }
  switch (name) {
    case 'gas_faults':
    case 'gas_over': {
      const named = GASES.filter((_, bit) => (value >> bit) & 1).map(fieldName)
      return named.length > 0 ? named.join('、') : t('none_of_them')
    }
    case 'floor': return `${t('floor_n', { n: value })}${beside('floor_band_e1')}`
    case 'core_dc': return `${value.toFixed(1)}${beside('core_band_dc')} °C`
    case 'engine_rpm': return `${value} ${t('rpm')}`
    case 'strain_e1': return value.toFixed(1)
    case 'air_left_s':
    case 'turn_back_s': return minutesText(value)
    case 'pressure_pa': return `${(value / 100).toFixed(1)} hPa`
    default: return measureText(value, unit, t('per_minute'))
  }
}

/** 125 -> "2:05", -65 -> "−1:05". */
export function minutesText(seconds: number): string {
  const s = Math.round(Math.abs(seconds))
  return `${seconds < 0 ? '−' : ''}${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
}
