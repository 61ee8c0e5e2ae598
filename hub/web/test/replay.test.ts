import { encode as pack } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { decode } from '../src/feed/decode'
import { Replay, ReplayClock } from '../src/feed/replay'
import { Ring } from '../src/feed/ring'
import { bin } from './makeExample'

const T = 1_795_000_000_000
const TICK_MS = 250
const SNAP_TICKS = 120
const E7 = 1e7

const hello = (name = '王海', i = 0) => pack({ k: 'hello', v: 1, t: T + i * TICK_MS, realm: 'sd', tick_ms: TICK_MS, name, drill: false, role: 'commander' })
const meta = (slots: number[], callsign = (slot: number) => `泰山-${slot}`) =>
  pack({ k: 'meta', units: slots.map((slot) => ({ slot, id: `u${slot}`, callsign: callsign(slot), kind: 'person', branch: 'fire', team: '一班', device: 1000 + slot, stale_s: 30, lost_s: 120 })) })
/** Each unit stands at latitude `i` of its tick, so that a picture says itself of which moment it is. */
const picture = (k: 'snap' | 'tick', i: number, slots: number[]) => pack({
  k, t: T + i * TICK_MS, seq: i, since: i - 1, n: slots.length,
  c: { slot: bin('u32', slots), t_fix: bin('f64', slots.map(() => T + i * TICK_MS)), t_rx: bin('f64', slots.map(() => T + i * TICK_MS)), lat: bin('i32', slots.map(() => i)), lon: bin('i32', slots.map((s) => s * E7)) },
})
const alarm = (id: string, t: number, open = true) => pack({
  k: 'alarm', id, kind: 'sos', priority: 1, state: 'raised', open, units: [], slots: [1], zh: '求救', en: 'Mayday', advice_zh: '', advice_en: '', why: [], lat: null, lon: null,
  cause: id, group: null, t_raised: t, t_hub: t + 50, late: false, t_cleared: null, seen: null, shelved: null, event: null, code: null, escalation: 0, count: 1, sound: true,
})

function fed(ring: Ring, ...messages: Uint8Array[]): Ring {
  for (const bytes of messages) ring.push(decode(bytes)!, bytes)
  return ring
}

function minutes(n: number, slots: number[], ring = new Ring()): Ring {
  fed(ring, hello(), meta(slots))
  for (let i = 0; i <= (n * 60_000) / TICK_MS; i++) fed(ring, picture(i % SNAP_TICKS === 0 ? 'snap' : 'tick', i, slots))
  return ring
}

/** A replay of `ring` standing at tick `i`. */
function at(ring: Ring, i: number, mono = () => 0): Replay {
  const replay = new Replay(ring, new ReplayClock(mono, T + i * TICK_MS))
  replay.follow()
  return replay
}

describe('the ring', () => {
  it('keeps no more than its minutes and begins with a snapshot', () => {
    const ring = minutes(20, [1])
    expect(ring.until).toBe(T + 20 * 60_000)
    expect(ring.from).toBe(T + 5 * 60_000)
    expect(ring.frame(ring.first).k).toBe('snap')
  })
  it('keeps no more than its bytes', () => {
    const ring = minutes(10, [1, 2, 3], new Ring(15 * 60_000, 300_000))
    expect(ring.bytes).toBeLessThanOrEqual(300_000)
    expect(ring.until - ring.from).toBeGreaterThan(30_000)
    expect(ring.frame(ring.first).k).toBe('snap')
  })
  it('waits for the next snapshot when one with its ticks is too much', () => {
    const ring = minutes(0.45, [1, 2, 3], new Ring(15 * 60_000, 5_000))
    expect([ring.from, ring.end - ring.first]).toEqual([NaN, 0])
    fed(ring, picture('snap', SNAP_TICKS, [1, 2, 3]))
    expect(at(ring, SNAP_TICKS).meta(2)?.callsign).toBe('泰山-2')
  })
  it('shows no one of before to another person, nor whoever may not be seen any more', () => {
    const ring = minutes(1, [1, 2])
    fed(ring, pack({ k: 'gone', slots: [2] }))
    expect(ring.from).toBeNaN()
    fed(ring, picture('snap', 300, [1]))
    expect([at(ring, 300).meta(1)?.id, at(ring, 300).meta(2)]).toEqual(['u1', undefined])
    fed(ring, hello('李四'))
    expect([ring.from, ring.names()]).toEqual([NaN, []])
  })
  it('goes on through a connection that was lost', () => {
    const ring = minutes(1, [1])
    fed(ring, hello('王海', 399), meta([1]), picture('snap', 400, [1]))
    expect(ring.from).toBe(T)
    expect(at(ring, 300).silence()).toBe((300 - 240) * TICK_MS)
  })
  it('begins anew when the clock of the hub goes back', () => {
    const ring = minutes(1, [1])
    fed(ring, picture('snap', 100, [1]))
    expect(ring.from).toBe(T + 100 * TICK_MS)
  })
  it('remembers when an alarm was raised, once', () => {
    const ring = fed(minutes(1, [1]), alarm('a', T + 5_000), alarm('a', T + 5_000), alarm('b', T + 9_000, false))
    expect(ring.marks).toEqual([{ id: 'a', t: T + 5_000, priority: 1, slots: [1] }])
  })
})

describe('a replay', () => {
  it('shows the picture of each moment, forward and back', () => {
    const ring = minutes(3, [1, 2])
    const replay = at(ring, 10)
    for (const i of [10, 11, 130, 131, 500, 360, 121, 120, 119, 0, 719]) {
      replay.clock.set(T + i * TICK_MS)
      expect(replay.follow()).toBe(true)
      expect([i, replay.col.lat[1], replay.col.lat[2], replay.now()]).toEqual([i, i, i, T + i * TICK_MS])
    }
  })
  it('plays at its speed, and stands', () => {
    let mono = 1_000
    const replay = at(minutes(3, [1]), 40, () => mono)
    replay.clock.setSpeed(4)
    mono += 5_000
    replay.follow()
    expect(replay.col.lat[1]).toBe(40 + 80)
    replay.clock.play(false)
    mono += 60_000
    replay.follow()
    expect([replay.col.lat[1], replay.now()]).toEqual([120, T + 120 * TICK_MS])
  })
  it('steps picture by picture', () => {
    const replay = at(minutes(1, [1]), 119)
    const seen = [1, 1, 1, -1, -1, -1, -1].map((direction) => {
      replay.step(direction as 1 | -1)
      return replay.col.lat[1]
    })
    expect(seen).toEqual([120, 121, 122, 121, 120, 119, 118])
  })
  it('stands at the first picture before all', () => {
    const replay = at(minutes(1, [1]), 0)
    replay.step(-1)
    expect(replay.col.lat[1]).toBe(0)
  })
  it('has the names of then', () => {
    const ring = minutes(1, [1])
    fed(ring, meta([1], () => '换人'), meta([5]))
    for (let i = 241; i < 400; i++) fed(ring, picture(i % SNAP_TICKS === 0 ? 'snap' : 'tick', i, [1, 5]))
    expect([at(ring, 200).meta(1)?.callsign, at(ring, 200).slots]).toEqual(['泰山-1', [1]])
    expect([at(ring, 399).meta(1)?.callsign, at(ring, 399).slots]).toEqual(['换人', [1, 5]])
  })
  it('keeps its names when the frames that told them are gone', () => expect(at(minutes(20, [1]), 3_000).meta(1)?.callsign).toBe('泰山-1'))
  it('goes on when the ring drops what it stands on', () => {
    const ring = minutes(15, [1])
    const replay = at(ring, 0)
    for (let i = 3_601; i < 3_800; i++) fed(ring, picture(i % SNAP_TICKS === 0 ? 'snap' : 'tick', i, [1]))
    expect(replay.follow()).toBe(true)
    expect(T + replay.col.lat[1]! * TICK_MS).toBe(ring.from)
  })
  it('has the newest row of each unit where they report at different times', () => {
    const ring = fed(new Ring(), hello(), meta([1, 2, 3]), picture('snap', 0, [1, 2, 3]))
    for (let i = 1; i < 100; i++) fed(ring, picture('tick', i, i % 7 === 0 ? [2] : i % 2 === 0 ? [1] : []))
    const replay = at(ring, 50)
    expect([1, 2, 3].map((slot) => replay.col.lat[slot])).toEqual([50, 49, 0])
    replay.clock.set(T + 98 * TICK_MS)
    replay.follow()
    expect([1, 2, 3].map((slot) => replay.col.lat[slot])).toEqual([96, 98, 0])
    expect([1, 2, 3].map((slot) => at(ring, 98).col.lat[slot])).toEqual([96, 98, 0])
  })
  it('shows nothing of before a greeting after it', () => {
    const ring = fed(minutes(0.5, [1]), hello(), meta([1], () => '新人'), alarm('x', T))
    const replay = at(ring, 125)
    expect([replay.meta(1)?.callsign, replay.col.t_fix[1]]).toEqual(['新人', NaN])
  })
  it('seeks within 50 ms with 200 units', () => {
    const replay = at(minutes(5, Array.from({ length: 200 }, (_, i) => i)), 0)
    const took = [1_199, 1, 600, 959, 119, 839].map((i) => {
      const from = performance.now()
      replay.clock.set(T + i * TICK_MS)
      replay.follow()
      return performance.now() - from
    })
    console.info(`seek, 200 units, ms: ${took.map((ms) => ms.toFixed(1)).join(' ')}`)
    expect(took.sort((a, b) => a - b)[3]).toBeLessThan(50)
  })
})
