import { encode as pack } from '@msgpack/msgpack'
import { beforeEach, describe, expect, it } from 'vitest'
import { clearSafety, rolls, takeSafety, toldAlarms, zones } from '../src/app/safety'
import { Alarms, type Alarm } from '../src/feed/alarms'
import { decode } from '../src/feed/decode'
import type { AirMember, AirMessage, AirTeam, AlarmMessage, Position, Priority, RollMessage, ZoneMessage } from '../src/feed/safety'
import { compare, isCalling, merged, rows, topCalling, type Shown } from '../src/laws/alarms'
import { circleRing, crosses, geometryOf, isWhole, metresBetween, radiusM, turn, withoutLast, withPoint, type Drawing } from '../src/laws/drawing'
import { AGAIN_MS, due, TONES } from '../src/laws/sound'
import { missingOf, orderTarget } from '../src/laws/people'

const T = 1_795_000_000_000
const message = (over: Partial<AlarmMessage> = {}): AlarmMessage => ({
  k: 'alarm', id: 'a1', kind: 'sos', priority: 1, state: 'raised', open: true, units: ['u0'], slots: [0], zh: '求救', en: 'mayday', advice_zh: '', advice_en: '',
  why: [], lat: null, lon: null, cause: 'unit:u0', group: null, t_raised: T, t_hub: T, late: false, t_cleared: null, seen: null, shelved: null,
  event: null, code: null, escalation: 0, count: 1, sound: true, calls: [], ...over,
})
const shown = (over: Partial<Shown> = {}): Shown => ({ events: [], told: true, ...message(), ...over })
const none = (): undefined => undefined
const words = (): [string, string] => ['求救', 'SOS']

describe('an alarm of the feed', () => {
  it('comes with large times as numbers and with what it lacks empty', () => {
    const got = decode(pack({ k: 'alarm', id: 'a1', priority: 2, t_raised: BigInt(T), t_hub: BigInt(T + 90_000), late: true, slots: [3], new_key: 1 }, { useBigInt64: true }))
    expect(got).toMatchObject({ id: 'a1', priority: 2, state: 'raised', open: true, t_raised: T, t_hub: T + 90_000, late: true, slots: [3], seen: null, shelved: null })
  })
  it.each([[undefined, 1], [0, 1], [9, 4], [3, 3]])('priority %s is taken as %i: an unknown one is grave, never nothing', (priority, as) => {
    expect(decode(pack({ k: 'alarm', id: 'a', priority }))).toMatchObject({ priority: as })
  })
  it('without an id is refused, with an unknown word ignored', () => {
    expect(() => decode(pack({ k: 'alarm', priority: 1 }))).toThrow('alarm has no id')
    expect(decode(pack({ k: 'never heard of' }))).toBeNull()
  })
})

describe('boards of people', () => {
  it('an evacuation says who has NOT by key, and counts all', () => {
    const person = { key: 'e1.1', unit: null, person: 'e1.1', name: '李四', delivered: null, seen: null, acknowledged: null, refused: null, by: '', lifted: false }
    const got = decode(pack({ k: 'evacuation', id: '41', seq: 41, type: 'retreat', by: ['王海', '李明'], t: T, over: false, total: 3, people: [person], not: ['e1.1'] }))
    expect(got).toMatchObject({ id: '41', type: 'retreat', by: '王海、李明', total: 3, people: [person], not: ['e1.1'] })
    expect(decode(pack({ k: 'evacuation', seq: 41, people: [{ unit: 'u1' }] }))).toMatchObject({ total: 1, people: [{ key: 'u1', lifted: false }] })
  })
  it('a roll-call counts the missing, however many people it lists', () => {
    const counts = { confirmed: 7_000, voice: 1, unconfirmed: 2, stale: 3, refused: 1 }
    const got = decode(pack({ k: 'roll', id: 'r1', target: 'all', counts, people: [], replaced_by: 'r2', ended: T, reason_zh: '求救' })) as RollMessage
    expect(missingOf(got)).toBe(6)
    expect(got).toMatchObject({ replaced: true, reason_zh: '求救', name: '' })
  })
  it('an entry team is ordered by its units; a person by hand is told by voice', () => {
    const member = (unit: string | null): AirMember => ({ unit, person: unit ? '' : 'e1.1', name: '', bar: null, t_bar: null, minutes_left: null, turn_back_s: null, by_hand: !unit, stale: false, inside: true })
    const team = (...units: (string | null)[]): AirTeam => ({ ...(decode(pack({ k: 'air', teams: [{ id: 'e1' }] })) as AirMessage).teams[0]!, members: units.map(member) })
    expect([team('u1', null, 'u2'), team('u1'), team(null)].map(orderTarget)).toEqual(['units:u1,u2', 'u1', ''])
  })
})

describe('which alarms are shown', () => {
  const flagged = (over: Partial<Alarm>): Alarm => ({ key: 'sos:0', slot: 0, cause: 'sos', since: NaN, late: false, events: [], ...over })
  it('a flag that no alarm speaks of still has its row', () => {
    const all = merged([message({ code: 4, kind: 'gas', priority: 2 })], [flagged({})], none, words)
    expect(all.map(({ kind, told }) => [kind, told])).toEqual([['sos', false], ['gas', true]])
  })
  it('one that an alarm speaks of has one row', () => {
    expect(merged([message({ code: 1, event: '1-1' })], [flagged({})], none, words)).toHaveLength(1)
  })
  it('an alarm of the engine is closed there, and the flag does not bring it back', () => {
    expect(merged([message({ code: 1, open: false, state: 'closed' })], [flagged({})], none, words)).toEqual([])
  })
  it('an event brings who has heard', () => {
    const alarms = new Alarms()
    alarms.apply({ k: 'event', id: '7-7', t: T, slot: 0, code: 1, phase: 0, value: null, lat: null, lon: null, t_event: T, late: false, seen: { by: '王海', t: T, heard: true } })
    expect(merged([message({ code: 1, event: '7-7' })], [], (id) => alarms.event(id), words)[0]!.events[0]!.seen!.heard).toBe(true)
  })
})

describe('order', () => {
  it('SOS, then priority, then who waits, then the newest', () => {
    const list = [
      shown({ id: 'gas', priority: 2, kind: 'gas', t_raised: T + 9 }), shown({ id: 'seen', kind: 'sos', seen: { by: 'x', t: T }, t_raised: T + 99 }),
      shown({ id: 'air', kind: 'air' }), shown({ id: 'old' }), shown({ id: 'new', t_raised: T + 5 }), shown({ id: 'low', priority: 4, kind: 'link' }),
    ]
    expect(list.sort(compare).map(({ id }) => id)).toEqual(['new', 'old', 'seen', 'air', 'gas', 'low'])
  })
  it('groups fold, but nobody in danger does', () => {
    const g = { group: 'link:mesh' }
    const list = [shown({ id: 's1', ...g }), shown({ id: 's2', ...g }), shown({ id: 'l1', priority: 3, ...g }), shown({ id: 'l2', priority: 3, ...g }), shown({ id: 'm', priority: 3 })]
    expect(rows(list, T).map(({ alarm, others }) => [alarm.id, others.length])).toEqual([['s1', 0], ['s2', 0], ['l1', 1], ['m', 0]])
  })
  it.each<[string, Partial<Shown>, boolean]>([
    ['raised', {}, true], ['answered', { seen: { by: 'x', t: T } }, false], ['closed', { open: false }, false],
    ['shelved', { priority: 2, shelved: { by: 'x', until: T + 1, why: '' } }, false], ['shelf over', { priority: 2, shelved: { by: 'x', until: T - 1, why: '' } }, true],
    ['critical is never shelved', { shelved: { by: 'x', until: T + 1, why: '' } }, true], ['over but nobody has seen it', { state: 'cleared' }, true],
  ])('%s', (_, over, calls) => expect(isCalling(shown(over), T)).toBe(calls))
  it('space means the first that calls', () => {
    expect(topCalling([shown({ id: 'a', seen: { by: 'x', t: T } }), shown({ id: 'b' })], T)?.id).toBe('b')
    expect(topCalling([], T)).toBeUndefined()
  })
})

describe('sound', () => {
  const at = (priority: Priority, ms: number, ...ids: string[]) => ({ priority, at: T - ms, ids: new Set(ids) })
  it.each<[string, Partial<Shown>[], ReturnType<typeof at> | null, Priority | null]>([
    ['nothing calls', [], null, null],
    ['the first', [{ priority: 3 }], null, 3],
    ['the gravest of many', [{ id: 'b', priority: 3 }, { id: 'a', priority: 1 }], null, 1],
    ['a graver one does not wait', [{ id: 'b', priority: 2 }, { id: 'a', priority: 1 }], at(2, 10, 'b'), 1],
    ['not again so soon', [{ priority: 1 }], at(1, AGAIN_MS[1] - 1, 'a1'), null],
    ['again in its time', [{ priority: 1 }], at(1, AGAIN_MS[1], 'a1'), 1],
    ['a lesser one sounds once', [{ priority: 3 }], at(3, 3_600_000, 'a1'), null],
    ['and again for a new one', [{ priority: 3 }, { id: 'n', priority: 3 }], at(3, 2_000, 'a1'), 3],
    ['but not on top of the last', [{ priority: 3 }, { id: 'n', priority: 3 }], at(3, 200, 'a1'), null],
    ['answered is quiet', [{ seen: { by: 'x', t: T } }], null, null],
    ['meant to be silent', [{ sound: false }], null, null],
  ])('%s', (_, list, before, expected) => expect(due(list.map(shown), T, before)).toBe(expected))
  it('sounds where it is called: to the roles it names, to all when it names none', () => {
    const mine = shown({ calls: ['duty-officer'] })
    expect(due([mine], T, null, 'duty-officer')).toBe(mine.priority)
    expect(due([mine], T, null, 'commander')).toBeNull()
    expect(due([shown({ calls: [] })], T, null, 'commander')).toBe(mine.priority)
    expect(due([mine], T, null)).toBe(mine.priority)
  })
  it('graver tones are higher and longer', () => {
    const top = (p: Priority): number => Math.max(...TONES[p].map(([hz]) => hz))
    const length = (p: Priority): number => Math.max(...TONES[p].map(([, from, s]) => from + s))
    for (const p of [2, 3, 4] as Priority[]) expect([top(p) < top((p - 1) as Priority), length(p) < length((p - 1) as Priority)]).toEqual([true, true])
  })
})

describe('drawing', () => {
  const centre: Position = [117, 36.65]
  const of = (shape: Drawing['shape'], ...points: Position[]): Drawing => points.reduce(withPoint, { shape, points: [] } as Drawing)
  it('a degree of latitude is 111.195 km', () => expect(metresBetween([117, 36], [117, 37])).toBeCloseTo(111_195, -1))
  it('a circle is its centre and an edge; a further click moves the edge', () => {
    expect(isWhole(of('circle', centre))).toBe(false)
    const made = of('circle', centre, [117.1, 36.65], [117, 36.66])
    expect(radiusM(made)).toBeCloseTo(1111.95, 0)
    expect(geometryOf(made)).toMatchObject({ shape: 'circle', centre, radius_m: 1112 })
  })
  it('every corner of the ring is its radius away', () => {
    const ring = circleRing(centre, 500)
    expect(ring[0]).toEqual(ring.at(-1))
    expect(turn(ring)).toBeGreaterThan(0)
    for (const corner of ring) expect(Math.abs(metresBetween(centre, corner) - 500)).toBeLessThan(0.5)
  })
  it.each<[string, Position[]]>([['clockwise', [[0, 0], [0, 1], [1, 1]]], ['counter-clockwise', [[0, 0], [1, 1], [0, 1]]]])('%s becomes a closed counter-clockwise ring', (_, points) => {
    const made = geometryOf(of('polygon', ...points))
    if (made?.shape !== 'polygon' || made.geometry.type !== 'Polygon') throw new Error('no polygon')
    const ring = made.geometry.coordinates[0]!
    expect([ring.length, ring[0], turn(ring.slice(0, -1)) > 0]).toEqual([4, ring.at(-1), true])
  })
  it('a bow tie has no inside', () => {
    const tie: Position[] = [[0, 0], [1, 1], [1, 0], [0, 1]]
    expect([crosses(tie), geometryOf(of('polygon', ...tie))]).toEqual([true, null])
    expect(crosses([[0, 0], [1, 0], [1, 1], [0, 1]])).toBe(false)
  })
  it('one step back', () => expect(withoutLast(of('polygon', [0, 0], [1, 1])).points).toEqual([[0, 0]]))
})

describe('what is kept', () => {
  beforeEach(clearSafety)
  it('is the newest word of each, in its place, and goes when it is gone', () => {
    const zone = (id: string, over: Partial<ZoneMessage> = {}): ZoneMessage => decode(pack({ k: 'zone', id, name: id, ...over })) as ZoneMessage
    for (const one of [zone('a'), zone('b'), zone('a', { name: 'A' })]) takeSafety(one)
    expect(zones.value.map(({ name }) => name)).toEqual(['b', 'A'])
    takeSafety(zone('b', { gone: true }))
    expect(zones.value.map(({ id }) => id)).toEqual(['a'])
  })
  it('drops closed alarms before open ones', () => {
    takeSafety(message({ id: 'open' }))
    takeSafety(message({ id: 'closed', open: false }))
    for (let i = 0; i < 1_999; i++) takeSafety(message({ id: `n${i}` }))
    const ids = [...toldAlarms()].map(({ id }) => id)
    expect([ids.length, ids.includes('open'), ids.includes('closed')]).toEqual([2_000, true, false])
  })
  it('counts of a roll-call apart, a person by hand without a unit', () => {
    takeSafety(decode(pack({ k: 'roll', id: 'r', counts: { confirmed: 1, voice: 2 }, people: [{ unit: null, name: '李四', state: 'voice', by: '王海', t: T }] })) as never)
    expect(rolls.value[0]).toMatchObject({ counts: { confirmed: 1, voice: 2, unconfirmed: 0, stale: 0, refused: 0 }, people: [{ key: '李四', unit: null, by: '王海' }] })
  })
})
