import { readFileSync, writeFileSync } from 'node:fs'
import { encode as pack } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { Alarms } from '../src/feed/alarms'
import { decode, encode, FeedError } from '../src/feed/decode'
import type { FeedEvent, Meta, Picture, ToHub } from '../src/feed/messages'
import { Store } from '../src/feed/store'
import { bin, example } from './makeExample'

const FILE = new URL('../../../tests/web/feed_example.json', import.meta.url)
if (process.env.WRITE_EXAMPLE) writeFileSync(FILE, JSON.stringify(example(), null, 1) + '\n')
const stored: ReturnType<typeof example> = JSON.parse(readFileSync(FILE, 'utf8'))
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const T = 1_795_000_000_000

describe('the worked example', () => {
  it('in the tree is what the sources make', () => expect(stored).toEqual(JSON.parse(JSON.stringify(example()))))
  it.each(stored.from_hub.map(({ message, hex }) => [message.k, message, hex] as const))('%s is read as it is written', (_k, message, hex) => {
    const read = decode(bytesOf(hex)) as unknown as Record<string, unknown>
    if (!('c' in message)) return expect(read).toEqual(message)
    const columns = Object.fromEntries(Object.entries(read.c as Record<string, Float64Array>).map(([name, values]) =>
      [name, [...values].map((value) => (Number.isNaN(value) ? 'NaN' : value))]))
    expect({ ...read, c: columns }).toEqual({ ...message, since: message.seq - 1 })
  })
  it.each(stored.to_hub)('the screen writes $message.k', ({ message, hex }) =>
    expect(Buffer.from(encode(message as ToHub)).toString('hex')).toBe(hex))
})

describe('decode', () => {
  const tick = (c: Record<string, unknown>, n = 1) => pack({ k: 'tick', t: T, seq: 1, n, c })
  it('ignores messages, keys and columns it does not know', () => {
    expect(decode(pack({ k: 'weather', wind: 3 }))).toBeNull()
    expect(decode(pack({ k: 'bye', why: 'stopping', more: [1] }))).toEqual({ k: 'bye', why: 'stopping' })
    expect(Object.keys((decode(tick({ slot: bin('u32', [1]), mood: bin('u8', [1]) })) as Picture).c)).toEqual(['slot'])
  })
  it('takes times as integers and as floats', () => {
    expect(decode(pack({ k: 'link', broker: true, t_broker: T + 0.5, silent: 0, refused: 0 }))).toMatchObject({ t_broker: T + 0.5 })
  })
  it('keeps all digits of an event id', () => {
    const m = decode(pack({ k: 'event', id: 2n ** 62n + 1n, t: T, slot: 0, code: 1, phase: 0 }, { useBigInt64: true })) as FeedEvent
    expect(m.id).toBe('4611686018427387905')
    expect(m.t_event).toBe(T)
  })
  it.each([
    ['no msgpack', new Uint8Array([0xc1])],
    ['no map', pack([1])],
    ['a short column', tick({ slot: bin('u32', [1]), lat: bin('i32', [1]).slice(0, 3) })],
    ['a column that is no bin', tick({ slot: [1] })],
    ['no slot column', tick({ lat: bin('i32', [1]) })],
    ['no time', pack({ k: 'tick', seq: 1, n: 0, c: {} })],
  ])('refuses %s', (_name, bytes) => expect(() => decode(bytes)).toThrow(FeedError))
  it('every cut of every example is refused or whole, never half', () => {
    for (const { hex } of stored.from_hub) {
      const bytes = bytesOf(hex)
      for (let end = 0; end < bytes.length; end++) expect(() => decode(bytes.subarray(0, end))).toThrow(FeedError)
    }
  })
})

describe('store', () => {
  const meta = (slot: number, id: string): Meta['units'][number] =>
    ({ slot, id, callsign: id, kind: 'person', branch: 'fire', team: '', device: 1, stale_s: 30, lost_s: 120 })
  const picture = (k: 'snap' | 'tick', slots: number[], over: Record<string, [Parameters<typeof bin>[0], number[]]>): Picture => {
    const c: Record<string, Uint8Array> = { slot: bin('u32', slots) }
    for (const [name, [type, values]] of Object.entries(over)) c[name] = bin(type, values)
    return decode(pack({ k, t: T, seq: 1, n: slots.length, c })) as Picture
  }
  it('grows to any slot in its bound and refuses one beyond', () => {
    const store = new Store()
    store.applyMeta({ k: 'meta', units: [meta(0, 'a'), meta(5000, 'b')] })
    store.applyPicture(picture('snap', [0, 5000], { lat: ['i32', [1, 2]], t_fix: ['f64', [T, T]] }))
    expect([store.col.lat[0], store.col.lat[5000], store.col.t_fix[1]]).toEqual([1, 2, NaN])
    expect(() => store.applyPicture(picture('tick', [2 ** 30], {}))).toThrow(FeedError)
  })
  it('a unit that is missing from a snapshot loses its position', () => {
    const store = new Store()
    store.applyMeta({ k: 'meta', units: [meta(0, 'a'), meta(1, 'b')] })
    store.applyPicture(picture('snap', [0, 1], { t_fix: ['f64', [T, T]] }))
    store.applyPicture(picture('snap', [0], { t_fix: ['f64', [T]] }))
    expect(store.col.t_fix[1]).toBeNaN()
  })
  it('after a new hello slots may be other units', () => {
    const store = new Store()
    store.applyMeta({ k: 'meta', units: [meta(0, 'a'), meta(1, 'b')] })
    store.applyMeta({ k: 'meta', units: [meta(2, 'c')] })
    expect(store.slots).toEqual([0, 1, 2])
    store.expectAll()
    store.applyMeta({ k: 'meta', units: [meta(0, 'b')] })
    expect([store.slots, store.slotOf('a'), store.slotOf('b')]).toEqual([[0], undefined, 0])
  })
  it('tells when a trail is out of date, and only then', () => {
    const store = new Store()
    store.applyMeta({ k: 'meta', units: [meta(0, 'a')] })
    expect(store.applyPicture(picture('snap', [0], { hist: ['u32', [3]] }))).toEqual([])
    expect(store.applyPicture(picture('tick', [0], { hist: ['u32', [3]] }))).toEqual([])
    expect(store.applyPicture(picture('tick', [0], { hist: ['u32', [4]] }))).toEqual([0])
    expect(store.applyPicture(picture('tick', [0], { hist: ['u32', [4]] }))).toEqual([])
  })
  it('a fetched trail keeps the newer live points; an older fix adds none', () => {
    const { trails } = new Store()
    trails.push(0, 1000, 0, 0)
    trails.push(0, 3000, 5000, 0)
    trails.push(0, 2000, 9000, 0)
    trails.replace(0, { t: [500, 1000, 2000], lat: [1, 2, 3], lon: [0, 0, 0] }, 100)
    expect([...trails.get(0)!.t]).toEqual([500, 1000, 2000, 3000])
  })
  it('trails are bounded', () => {
    const { trails } = new Store()
    for (let i = 0; i < 10_000; i++) trails.push(0, i * 1000, i * 1000, 0)
    expect(trails.get(0)!.t.length).toBeLessThan(200)
    expect(trails.get(0)!.t.at(-1)).toBe(9_999_000)
  })

  describe('alarms', () => {
    const sos = (phase: number): FeedEvent =>
      ({ k: 'event', id: '1', t: T, slot: 0, code: 1, phase, value: null, lat: null, lon: null, t_event: T - 9000, late: true })
    it('an event opens a row before its flag; the flag keeps it; without flag and event it closes', () => {
      const store = new Store()
      const alarms = new Alarms()
      store.applyMeta({ k: 'meta', units: [meta(0, 'a')] })
      alarms.apply(sos(0))
      expect(alarms.open(store, T - 250)).toMatchObject([{ slot: 0, cause: 'sos', since: T - 9000, late: true }])
      store.applyPicture(picture('tick', [0], { flags: ['u16', [1]] }))
      alarms.apply(sos(1))
      expect(alarms.open(store, T + 60_000)).toHaveLength(1)
      store.applyPicture(picture('tick', [0], { flags: ['u16', [0]] }))
      expect(alarms.open(store, T + 61_000)).toEqual([])
    })
    it('a flag alone is enough, as after a reconnect, and the gravest comes first', () => {
      const store = new Store()
      store.applyMeta({ k: 'meta', units: [meta(0, 'a'), meta(1, 'b')] })
      store.applyPicture(picture('snap', [0, 1], { flags: ['u16', [8, 1]] }))
      expect(new Alarms().open(store, T).map(({ cause }) => cause)).toEqual(['sos', 'gas'])
    })
  })
})
