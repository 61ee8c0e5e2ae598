import { describe, expect, it } from 'vitest'
import { rulesOf, triedOf } from '../src/feed/rules'
import { dayClockText } from '../src/laws/words'

const T = 1_795_000_000_000
const rule = (over: Record<string, unknown> = {}): Record<string, unknown> => ({ id: 'a', kind: 'battery', zh: '电量低', en: 'Low battery', enabled: true, priority: 4, origin: 'file', changed: null, standing: 0, trouble: '', rule: { id: 'a' }, ...over })

describe('rules of the hub', () => {
  it('stand in the order of their file, whatever stands: nothing moves under a finger', () => {
    const said = rulesOf({ file: 'rules.toml', errors: ['x'], rules: [rule({ id: 'off', enabled: false }), rule({ id: 'quiet' }), rule({ id: 'two' }), rule({ id: 'calls', standing: 3 })] })
    expect(said.rules.map(({ id }) => id)).toEqual(['off', 'quiet', 'two', 'calls'])
    expect([said.file, said.errors]).toEqual(['rules.toml', ['x']])
  })
  it('say who changed them', () => {
    expect(rulesOf({ rules: [rule({ origin: 'changed', changed: { by: '王海', t_utc_ms: T } })] }).rules[0]!.changed).toEqual({ by: '王海', t: T })
  })
  it('of another hub that lacks half of it are shown all the same', () => {
    expect(rulesOf({ rules: [{ id: 'a' }, {}, 5] }).rules).toEqual([{ id: 'a', kind: '', zh: '', en: '', enabled: true, priority: 3, origin: '', changed: null, standing: 0, trouble: '', rule: {} }])
    expect(rulesOf({})).toEqual({ rules: [], file: '', errors: [] })
  })
})

describe('a dry run', () => {
  const firing = (t: number, over: Record<string, unknown> = {}): Record<string, unknown> => ({ t_utc_ms: t, until_utc_ms: t + 5_000, unit: 'u1', callsign: 'C1', value: 12, lat: 36.65, lon: 117, zh: '电量低：电量 12 %', en: 'Low battery: Battery 12 %', ...over })
  it('shows the newest first, and counts those that are not listed', () => {
    const said = triedOf({ count: 900, firings: [firing(T), firing(T + 9, { until_utc_ms: null, lat: null, lon: null, value: null })], by_unit: { u1: 899, u2: 1 }, looked_rows: 5, looked_until_utc_ms: T, truncated: true, trouble: 'no zones' })
    expect(said.firings.map(({ t, until, lat, value }) => [t, until, lat, value])).toEqual([[T + 9, null, null, null], [T, T + 5_000, 36.65, 12]])
    expect(said).toMatchObject({ count: 900, units: 2, rows: 5, truncated: true, trouble: 'no zones' })
  })
  it('with nothing in it is nothing', () => expect(triedOf({})).toMatchObject({ count: 0, firings: [], units: 0, truncated: false }))
})

describe('when it was', () => {
  const now = new Date(2026, 10, 29, 12, 0, 0).getTime()
  it.each([[new Date(2026, 10, 29, 1, 2, 3), '01:02:03'], [new Date(2026, 10, 28, 23, 59, 59), '11-28 23:59:59'], [new Date(2025, 10, 29, 1, 2, 3), '11-29 01:02:03']])('%s', (then, words) => {
    expect(dayClockText(then.getTime(), now)).toBe(words)
  })
})
