/** The worked example of the feed: what stands in tests/web/feed_example.json, as messages. Written by `npm run example`. */
import { encode } from '@msgpack/msgpack'

const T = 1_795_000_000_000

/** Little-endian bytes of a column. */
export function bin(type: 'u8' | 'u16' | 'u32' | 'i32' | 'f64', values: number[]): Uint8Array {
  const width = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 }[type]
  const out = new DataView(new ArrayBuffer(values.length * width))
  values.forEach((value, i) => {
    if (type === 'u8') out.setUint8(i, value)
    else if (type === 'u16') out.setUint16(i * 2, value, true)
    else if (type === 'u32') out.setUint32(i * 4, value, true)
    else if (type === 'i32') out.setInt32(i * 4, value, true)
    else out.setFloat64(i * 8, value, true)
  })
  return new Uint8Array(out.buffer)
}

type Column = [name: string, type: Parameters<typeof bin>[0], values: number[]]

/** Unit 0 heard and moving with an SOS; unit 7 never had a fix and nothing else is known of it. */
const COLUMNS: Column[] = [
  ['slot', 'u32', [0, 7]],
  ['t_fix', 'f64', [T - 1_500, NaN]],
  ['t_rx', 'f64', [T - 250, NaN]],
  ['lat', 'i32', [366_500_000, 0]],
  ['lon', 'i32', [1_170_000_000, 0]],
  ['alt', 'i32', [523, -(2 ** 31)]],
  ['speed', 'u16', [14, 65535]],
  ['course', 'u16', [271, 65535]],
  ['hacc', 'u16', [50, 65535]],
  ['mode', 'u8', [3, 0]],
  ['flags', 'u16', [1, 0]],
  ['hr', 'u8', [142, 255]],
  ['bat', 'u8', [77, 255]],
  ['air', 'u16', [21_400, 65535]],
  ['hist', 'u32', [70_000, 0]],
]

const UNITS = [
  { slot: 0, id: 'u-0001', callsign: '泰山-01', kind: 'person', branch: 'fire', team: '一班', device: 1001, stale_s: 30, lost_s: 120 },
  { slot: 7, id: 'u-0008', callsign: 'Truck 8', kind: 'vehicle', branch: 'other', team: '', device: 1008, stale_s: 60, lost_s: 300, fix_device: 1008 },
  { slot: 9, id: 'mesh-a1b2c3d4', callsign: '山脊一号', kind: 'person', branch: 'other', team: '', device: 0, stale_s: 900, lost_s: 3600, reported: { source: 'mesh', by: 'u-0001' } },
]

const since = (k: string, seq: number) => (k === 'tick' ? { since: seq - 1 } : {})
const picture = (k: string, columns: Column[], seq: number) => ({
  k, t: T, seq, ...since(k, seq), n: columns[0]![2].length, c: Object.fromEntries(columns.map(([name, type, values]) => [name, bin(type, values)])),
})
const readable = (k: string, columns: Column[], seq: number) => ({
  k, t: T, seq, ...since(k, seq), n: columns[0]![2].length,
  c: Object.fromEntries(columns.map(([name, , values]) => [name, values.map((value) => (Number.isNaN(value) ? 'NaN' : value))])),
})
const nobody: Column[] = COLUMNS.map(([name, type]) => [name, type, []])

const PLAIN = [
  { k: 'hello', v: 1, t: T, realm: 'sd-drill', tick_ms: 250, name: '王海', drill: true },
  { k: 'meta', units: UNITS },
  { k: 'event', id: '1001-4242', t: T, slot: 0, code: 1, phase: 0, value: null, lat: 36.65, lon: 117.25, t_event: T - 1_500, late: false, threshold: null, field: null, unit: '', duty: 3, state: 'acknowledged', t_raised: T - 1_500, seen: { by: '王海', t: T, heard: false } },
  { k: 'event', id: '1001-4243', t: T, slot: 0, code: 4, phase: 0, value: 15.3, lat: null, lon: null, t_event: T - 500, late: false, threshold: 10.5, field: 'h2s_dppm', unit: 'ppm', duty: null, state: 'raised', t_raised: T - 500, seen: null },
  { k: 'said', slot: 9, source: 1, id: 2_712_847_316, name: '山脊一号', text: '需要水', t: T, by: 'u-0001' },
  {
    k: 'order', seq: T, id: '0123456789abcdef', type: 'task', target: 'units:u-0001,u-0008', text: '搜索三层', lat: 36.65, lon: 117.25,
    break_glass: null, issuer: '王海', role: 'commander', by: ['王海'], t: T, expires_utc_ms: T + 43_200_000,
    targets: [{ unit: 'u-0001', state: 'shown', sent: 1, received: [T + 900, T + 1_000], shown: [T + 950, T + 1_100] }, { unit: 'u-0008', state: 'waiting', sent: 0 }],
  },
  { k: 'receipts', seq: T, targets: [{ unit: 'u-0008', state: 'refused', sent: 3, received: [T + 4_000, T + 5_000], refused: [T + 4_500, T + 5_000] }] },
  { k: 'text', id: '1001-7-3', unit: 'u-0001', slot: 0, text: '三层已搜完', t: T - 400, t_hub: T },
  { k: 'link', broker: true, t_broker: T - 60_000, silent: 1, refused: 0 },
  { k: 'bye', why: 'slow' },
]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function example() {
  return {
    about: 'docs/feed.md as bytes. `message` is readable: columns are lists, "NaN" is not-a-number, null is nil. `hex` is the msgpack; keys in the order of `message`, integers and floats in their shortest form, floats 64-bit.',
    column_types: Object.fromEntries(COLUMNS.map(([name, type]) => [name, type])),
    from_hub: [
      ...PLAIN.map((message) => ({ message, hex: hex(encode(message)) })),
      { message: readable('snap', COLUMNS, 100), hex: hex(encode(picture('snap', COLUMNS, 100))) },
      { message: readable('tick', nobody, 101), hex: hex(encode(picture('tick', nobody, 101))) },
    ],
    to_hub: [{ k: 'resume', seq: 101 }, { k: 'pause' }, { k: 'go' }].map((message) => ({ message, hex: hex(encode(message)) })),
  }
}
