import { describe, expect, it } from 'vitest'
import { ageS, contact, FLAG_MAN_DOWN, FLAG_SOS, state } from '../src/laws/contact'
import { doubtM, MOTIONS } from '../src/laws/doubt'
import { compareUnits, matches, nameOrder, teams, type Ranked } from '../src/laws/order'
import { ageText, metresText, positionText } from '../src/laws/words'

describe('doubt', () => {
  // Regression values of the project's facts on silence: sigma 5 m, on foot.
  it.each([[10, 9.3], [60, 41.5], [300, 136], [1800, 366]])('after %i s of silence is %f m', (silence, metres) => {
    expect(Math.abs(doubtM(5, silence, MOTIONS.person) - metres)).toBeLessThanOrEqual(metres >= 100 ? 0.5 : 0.05)
  })
  it('starts at the accuracy, never shrinks, and treats a fix from the future as new', () => {
    expect(doubtM(5, 0, MOTIONS.person)).toBe(5)
    expect(doubtM(5, -20, MOTIONS.person)).toBe(5)
    for (let s = 1; s < 4000; s += 7) expect(doubtM(5, s, MOTIONS.vehicle)).toBeGreaterThanOrEqual(doubtM(5, s - 1, MOTIONS.vehicle))
  })
  it('is capped by the fastest straight line', () => {
    expect(doubtM(0, 1, { speedSigmaMps: 100, memoryS: 60, speedMaxMps: 6 })).toBe(6)
  })
  it('grows faster for a vehicle', () => {
    expect(doubtM(5, 60, MOTIONS.vehicle)).toBeGreaterThan(5 * doubtM(5, 60, MOTIONS.person))
  })
})

describe('contact', () => {
  const at = (silenceS: number, positionAgeS: number) => contact(1e12, 1e12 - silenceS * 1000, 1e12 - positionAgeS * 1000, 30, 120)
  it.each([
    ['heard and placed now', 0, 0, 'online'],
    ['at the limit', 30, 30, 'online'],
    ['past the stale limit', 31, 31, 'stale'],
    ['past the lost limit', 121, 121, 'lost'],
    ['heard, but the position is old', 1, 31, 'stale'],
    ['heard, the position is very old: it is not lost', 1, 9999, 'stale'],
    ['a device clock ahead does not keep it alive', 31, -600, 'stale'],
    ['nor does it keep it from being lost', 121, -600, 'lost'],
    ['heard without a position', 1, NaN, 'online'],
  ] as const)('%s', (_name, silence, age, expected) => expect(at(silence, age)).toBe(expected))
  it('never heard', () => expect(contact(1e12, NaN, NaN, 30, 120)).toBe('unheard'))
  it('danger comes before contact', () => {
    expect(state('lost', FLAG_SOS | FLAG_MAN_DOWN)).toBe('sos')
    expect(state('online', FLAG_MAN_DOWN)).toBe('mandown')
    expect(state('stale', 0)).toBe('stale')
  })
  it('age is never negative', () => expect(ageS(1000, 5000)).toBe(0))
})

describe('order', () => {
  const unit = (callsign: string, s: Ranked['state'], team: string) => ({ callsign, state: s, team })
  const placed = (list: ReturnType<typeof unit>[]) => {
    const places = nameOrder(list.map(({ callsign }) => callsign))
    return list.map((one, i) => ({ ...one, place: places[i]! }))
  }
  it('is SOS, man down, lost, stale, online, unheard, then callsign with numbers as numbers', () => {
    const list = placed([
      unit('B-10', 'online', ''), unit('B-2', 'online', ''), unit('C', 'stale', ''), unit('D', 'lost', ''),
      unit('A', 'unheard', ''), unit('Z', 'sos', ''), unit('Y', 'mandown', ''),
    ])
    expect(list.sort(compareUnits).map(({ callsign }) => callsign)).toEqual(['Z', 'Y', 'D', 'C', 'B-2', 'B-10', 'A'])
  })
  it('puts the team worst off first and units without a team last', () => {
    const list = placed([unit('1', 'online', ''), unit('2', 'online', '甲'), unit('3', 'sos', '乙'), unit('4', 'unheard', '丙')])
    expect(teams(list).map(({ name }) => name)).toEqual(['乙', '丙', '甲', ''])
  })
  it('search needs every word, in any case', () => {
    expect(matches('泰山 二班', '泰山-01', '济南支队二班', 'u1')).toBe(true)
    expect(matches('ALPHA', 'Alpha-1', '', 'u1')).toBe(true)
    expect(matches('泰山 三班', '泰山-01', '济南支队二班', 'u1')).toBe(false)
  })
})

describe('words', () => {
  it.each([[NaN, '—'], [0, '0 s'], [59.9, '59 s'], [60, '1:00'], [192, '3:12'], [7510, '2:05:10'], [273_600, '3 d 04 h']])('age %f', (s, text) =>
    expect(ageText(s)).toBe(text))
  it('metres and position', () => {
    expect([metresText(9.25), metresText(41.5), metresText(1840), metresText(25_000)]).toEqual(['9.3 m', '42 m', '1.8 km', '25 km'])
    expect(positionText(36.65, -117)).toBe('36.650000° N, 117.000000° W')
  })
})
