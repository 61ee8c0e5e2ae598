import { encode as pack } from '@msgpack/msgpack'
import { beforeEach, describe, expect, it } from 'vitest'
import { Alarms, isSeen } from '../src/feed/alarms'
import { decode } from '../src/feed/decode'
import type { FeedEvent, Meta, SaidMessage } from '../src/feed/messages'
import { Store } from '../src/feed/store'
import { setLang } from '../src/i18n'
import { FLAG_BODY, FLAG_GAS, FLAG_SOS, isForgotten } from '../src/laws/contact'
import { grouped, minutesText, valueText } from '../src/panels/measures'

const T = 1_795_000_000_000
const event = (over: Partial<FeedEvent>): FeedEvent =>
  ({ k: 'event', id: '1-1', t: T, slot: 0, code: 1, phase: 0, value: null, lat: null, lon: null, t_event: T, late: false, seen: null, ...over })
const unit = (slot: number): Meta['units'][number] =>
  ({ slot, id: `u${slot}`, callsign: `u${slot}`, kind: 'person', branch: 'fire', team: '', device: 1, stale_s: 30, lost_s: 120 })
const storeWith = (flags: number): Store => {
  const store = new Store()
  store.applyMeta({ k: 'meta', units: [unit(0)] })
  store.col.flags[0] = flags
  return store
}
const value = (name: string, number: unknown, unit = '') => ({ name, zh: name, en: name, unit, value: number, t_utc_ms: T })

describe('alarms', () => {
  it('one row a cause and measured thing; seen ones step back among equals', () => {
    const alarms = new Alarms()
    const seen = { by: 'Li', t: T, heard: false }
    for (const one of [
      event({ id: '1-1', code: 4, field: 'co_ppm', seen }), event({ id: '1-2', code: 4, field: 'h2s_dppm', t_event: T - 9 }),
      event({ id: '1-3', code: 1 }), event({ id: '1-4', code: 15 }), event({ id: '1-5', code: 64 }), event({ id: '1-6', code: 200 }),
    ]) alarms.apply(one)
    const rows = alarms.open(storeWith(FLAG_SOS | FLAG_GAS | FLAG_BODY), T + 60_000)
    expect(rows.map(({ cause, events }) => [cause, events[0]?.id])).toEqual([['sos', '1-3'], ['gas', '1-2'], ['gas', '1-1'], ['strain', '1-4']])
    expect(rows.map(isSeen)).toEqual([false, false, true, false])
  })
  it('a repeat keeps since when; a clear by phase or state closes; a hidden kind is still an alarm', () => {
    const alarms = new Alarms()
    const store = storeWith(FLAG_BODY)
    alarms.apply(event({ code: 0, t_event: T - 5_000, t_raised: T - 5_000 }))
    alarms.apply(event({ code: 0, phase: 1, t_event: T, t_raised: T - 5_000 }))
    expect(alarms.open(store, T)).toMatchObject([{ cause: 'body', since: T - 5_000 }])
    alarms.apply(event({ code: 0, phase: 0, state: 'cleared' }))
    expect(alarms.open(store, T)).toMatchObject([{ cause: 'body', events: [] }])
    store.col.flags[0] = 0
    expect(alarms.open(store, T)).toEqual([])
  })
})

describe('decode', () => {
  it('said is text whatever is in it; an absent slot is null', () => {
    const m = decode(pack({ k: 'said', slot: null, source: 1, id: 2n ** 40n, name: 'x', text: '<b>', t: T, by: 'u1' }, { useBigInt64: true })) as SaidMessage
    expect(m).toMatchObject({ slot: null, id: 2 ** 40, text: '<b>' })
  })
  it('seen may be nil, and reported may be missing', () => {
    expect((decode(pack({ k: 'event', id: 'a', t: T, slot: 0, code: 1, phase: 0, seen: null })) as FeedEvent).seen).toBeNull()
    expect((decode(pack({ k: 'meta', units: [{ ...unit(0), reported: { source: 'ais', by: 'u2' } }, unit(1)] })) as Meta).units.map((u) => u.reported))
      .toEqual([{ source: 'ais', by: 'u2' }, undefined])
  })
})

describe('values in words', () => {
  beforeEach(() => setLang('zh'))
  it.each([
    ['duty', 3, '', '用气作业'], ['duty', 14, '', '14'], ['pass_state', 2, '', '预报警'], ['posture', 3, '', '躺卧'],
    ['corrections', 4, '', '被拒绝'], ['gas_faults', 0b101, '', '可燃气体、一氧化碳'], ['gas_over', 0, '', '无'],
    ['scba_kpa', 14_300, 'kPa', '14.3 MPa'], ['air_left_s', 512, 's', '8:32'], ['turn_back_s', -65, 's', '−1:05'],
    ['strain_e1', 7, '', '7.0'], ['pressure_pa', 100_830, 'Pa', '1008.3 hPa'], ['fix_mode', 6, '', 'RTK 固定解'],
    ['heart_bpm', 162, '1/min', '162 次/分'], ['x', null, '', '—'], ['engine_rpm', 870, '1/min', '870 转/分'],
  ])('%s %s', (name, number, unit, words) => expect(valueText({ name, value: number, unit })).toBe(words))
  it('a floor and a core temperature stand with their uncertainty', () => {
    const all = [value('floor', 3), value('floor_band_e1', 1), value('core_dc', 38.4, '°C'), value('core_band_dc', 0.3, '°C')]
    expect(valueText(all[0]!, all)).toBe('3 层 ±1')
    expect(valueText(all[2]!, all)).toBe('38.4 ±0.3 °C')
    expect(valueText(all[0]!)).toBe('3 层')
  })
  it('groups are in order, empty ones absent, and nothing is lost but what is said elsewhere', () => {
    const names = ['rtt_ms', 'heart_bpm', 'co_ppm', 'scba_kpa', 'corrections', 'corrections_age_ds', 'lat_deg_e7', 'floor_band_e1', 'wind_dmps', 'coolant_c', 'co2_ppm', 'core_dc', 'new_thing']
    expect(grouped(names.map((name) => value(name, 1))).map(([key, rows]) => [key, rows.map(({ name }) => name)])).toEqual([
      ['group_life', ['heart_bpm', 'core_dc']], ['group_air', ['scba_kpa']], ['group_gas', ['co_ppm', 'co2_ppm']],
      ['group_place', ['corrections', 'corrections_age_ds']], ['group_vehicle', ['coolant_c']], ['group_weather', ['wind_dmps']],
      ['group_device', ['rtt_ms', 'new_thing']],
    ])
  })
  it('minutes', () => expect([0, 59.6, 60, -5].map(minutesText)).toEqual(['0:00', '1:00', '1:00', '−0:05']))
})

it('a reported thing is forgotten after a day, one of ours never', () => {
  expect([isForgotten(true, T, T - 86_400_001), isForgotten(true, T, T - 1), isForgotten(true, T, NaN), isForgotten(false, T, 0)]).toEqual([true, false, true, false])
})
