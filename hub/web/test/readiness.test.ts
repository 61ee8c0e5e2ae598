import { encode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import type { DeviceLinks, Link } from '../src/api/http'
import { cameras, clearReadiness, nets, takeReadiness, unwatch, watch, watched, WATCHED_MAX } from '../src/app/readiness'
import { decode, FeedError } from '../src/feed/decode'
import type { ReadinessMessage } from '../src/feed/readiness'
import { nearest } from '../src/laws/buddy'
import { groupOf, sums, worst } from '../src/laws/links'
import { STILL_MS, videoState } from '../src/laws/video'

const told = (m: object): ReadinessMessage => decode(encode(m)) as ReadinessMessage
const camera = (id: string, more: object = {}): ReadinessMessage =>
  told({ k: 'camera', id, name: id, way: 'hls', url: 'https://a/x.m3u8', unit: '', lat: null, lon: 36.5, by: '王海', t_utc_ms: 5, agency: '', gone: false, ...more })

describe('cameras and nets of the feed', () => {
  it('are decoded, and an address that no page may open is none', () => {
    expect(camera('c1')).toEqual({ k: 'camera', id: 'c1', name: 'c1', way: 'hls', url: 'https://a/x.m3u8', unit: '', lat: null, lon: 36.5, by: '王海', t: 5, gone: false })
    expect(camera('c1', { url: 'javascript:alert(1)' })).toMatchObject({ url: '' })
    expect(told({ k: 'net', id: 'n1', group: 'beidou', name: '北斗', state: 'held', note: '', by: 'x', t_utc_ms: 1, gone: false })).toMatchObject({ group: 'beidou', state: 'held' })
    expect(() => told({ k: 'net', name: 'x' })).toThrow(FeedError)
    expect(told({ k: 'pigeon', id: 'p' })).toBeNull()
  })
  it('are kept by name, one that is gone closes its pane, and there is an end to panes', () => {
    clearReadiness()
    for (const id of ['c10', 'c2', 'c3', 'c4', 'c5']) takeReadiness(camera(id))
    expect(cameras.value.map(({ id }) => id)).toEqual(['c2', 'c3', 'c4', 'c5', 'c10'])
    for (const { id } of cameras.value) watch(id)
    expect(watched.value.map(({ id }) => id)).toEqual(['c3', 'c4', 'c5', 'c10'])
    expect(watched.value).toHaveLength(WATCHED_MAX)
    takeReadiness(camera('c4', { gone: true }))
    unwatch('c5')
    expect(watched.value.map(({ id }) => id)).toEqual(['c3', 'c10'])
    clearReadiness()
    expect([cameras.value, nets.value, watched.value]).toEqual([[], [], []])
  })
})

describe('a video', () => {
  it.each([
    ['nothing yet', 100_000, NaN, '', 'opening'],
    ['moves', 100_000, 99_000, '', 'live'],
    ['stands still', 100_000, 100_000 - STILL_MS - 1, '', 'still'],
    ['was refused', 100_000, 99_999, 'HTTP 404', 'failed'],
  ] as const)('%s', (_name, now, moved, failure, state) => expect(videoState(now, moved, failure)).toBe(state))
})

const link = (bearer: string, state: string, more: Partial<Link> = {}): Link =>
  ({ place: 0, name: bearer, bearer, state, loss_permille: null, delay_ms: null, backlog_rows: null, ok_utc_ms: null, duty_permille: null, t_utc_ms: 0, ...more })
const device = (number: number, ...links: Link[]): DeviceLinks => ({ device: number, unit: '', callsign: '', links, ways: [] })

describe('links', () => {
  const all = [
    device(1, link('mqtt', 'up', { delay_ms: 40 }), link('rdss', 'held')), device(2, link('mqtt', 'down', { backlog_rows: 900, loss_permille: 120 })),
    device(3, link('mqtt', 'up', { delay_ms: 90, backlog_rows: 5 }), link('mesh', 'off')), device(4),
  ]
  it('are summed by bearer; BeiDou has a group of its own, and what is switched off is in no count', () => {
    expect(sums(all)).toEqual([
      { bearer: 'mqtt', group: 'sensing', up: 2, held: 0, down: 1, delay_ms: 90, loss_permille: 120, backlog_rows: 905 },
      { bearer: 'rdss', group: 'beidou', up: 0, held: 1, down: 0, delay_ms: null, loss_permille: null, backlog_rows: 0 },
    ])
    expect(groupOf('datagram')).toBe('sensing')
  })
  it('say who needs somebody: nothing carries, then what waits longest', () => {
    expect(worst([...all, device(5, link('mqtt', 'up', { backlog_rows: 70 }))], 5).map((one) => one.device)).toEqual([2, 5])
  })
})

describe('buddy', () => {
  const col = { lat: Int32Array.of(366_500_000, 366_510_000, 366_500_000, 0), lon: Int32Array.of(1_170_000_000, 1_170_000_000, 1_170_010_000, 0), t_fix: Float64Array.of(1, 1, 1, NaN) }
  it('is the nearest with a position, east measured where it is', () => {
    const found = nearest(col, 0, [1, 2, 3])!
    expect(found.slot).toBe(2)
    expect(found.metres).toBeCloseTo(89.2, 1)
    expect(nearest(col, 0, [3])).toBeNull()
    expect(nearest(col, 3, [1])).toBeNull()
  })
})
