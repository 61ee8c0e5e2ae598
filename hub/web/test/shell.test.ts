import { encode as pack } from '@msgpack/msgpack'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { decode } from '../src/feed/decode'
import { hubMsNow, packPicture } from '../src/feed/lastPicture'
import type { Meta, Picture } from '../src/feed/messages'
import { HubClock } from '../src/feed/clock'
import { Store } from '../src/feed/store'
import { FLAG_BODY, FLAG_CLOCK_UNPROVEN, FLAG_SOS } from '../src/laws/contact'
import { formats, FORMATS_PLAIN } from '../src/laws/formats'
import { fits, fitsAny } from '../src/laws/fuzzy'
import { CATCH_UP_MS, lineOf, LIVE_MS, skewMs } from '../src/laws/line'
import { matches } from '../src/laws/order'
import { initials } from '../src/laws/pinyin'
import { secondsText, Uplink } from '../src/laws/uplink'
import { clockText, metresText, positionText, speedText } from '../src/laws/words'
import { bin } from './makeExample'

const T = 1_795_000_000_000

describe('what may be said of the picture', () => {
  const well = { quietMs: 100, open: true, hidden: false, backMs: NaN, hasOld: false }
  it.each([
    ['live', well],
    ['first', { ...well, quietMs: NaN }],
    ['old', { ...well, quietMs: NaN, hasOld: true }],
    ['cut', { ...well, quietMs: LIVE_MS }],
    ['cut', { ...well, quietMs: 60_000, open: false }],
    ['paused', { ...well, quietMs: 60_000, hidden: true }],
    ['cut', { ...well, quietMs: 60_000, hidden: true, open: false }],
    ['paused', { ...well, quietMs: 60_000, backMs: 200 }],
    ['cut', { ...well, quietMs: 60_000, backMs: CATCH_UP_MS }],
  ] as const)('%s', (line, heard) => expect(lineOf(heard)).toBe(line))
  it('a clock of this machine is a word only when it matters', () => {
    expect([skewMs(T + 4_900, T), skewMs(T + 5_100, T), skewMs(T - 90_000, T), skewMs(T, NaN)]).toEqual([0, 5_100, -90_000, 0])
  })
})

describe('the uplink', () => {
  const rows = (delays: number[], flags = 0) => ({
    slot: Uint32Array.from(delays, (_, i) => i), t_rx: delays.map(() => T), t_fix: delays.map((ms) => T - ms), flags: delays.map(() => flags),
  })
  const before = (n: number, t_fix: number) => new Float64Array(n).fill(t_fix)
  const heard = (delays: number[], t_fix = T - 60_000, flags = 0) => {
    const link = new Uplink()
    link.heard(T, rows(delays, flags), before(delays.length, t_fix))
    return link
  }
  it('is that of the middle position that came', () => expect(heard([300, 900, 26_000, 1_200, 400]).medianMs(T + 1_000)).toBe(900))
  it('a row without a newer position says nothing, nor a first one, nor an unproven clock', () => {
    expect(heard([16_000], T - 16_000).medianMs(T)).toBeNaN()
    expect(heard([300], NaN).medianMs(T)).toBeNaN()
    expect(heard([300], T - 60_000, FLAG_CLOCK_UNPROVEN).medianMs(T)).toBeNaN()
  })
  it('is of the last half minute', () => expect(heard([300]).medianMs(T + 30_000)).toBeNaN())
  it('never is negative, because a clock runs ahead', () => expect(heard([-400]).medianMs(T)).toBe(0))
  it('in words', () => expect([1_240, 9_960, 12_400].map(secondsText)).toEqual(['1.2', '10', '12']))
})

describe('how late this screen is', () => {
  it('a message that was held up longer than the others says so, and the next in time does not', () => {
    let mono = 0
    const clock = new HubClock(() => mono)
    for (; mono < 2_000; mono += 250) clock.heard(T + mono)
    expect([clock.lag(), Math.round(clock.spacing() / 50) * 50]).toEqual([0, 200])
    mono += 2_500
    clock.heard(T + mono - 2_500)
    expect(clock.lag()).toBe(2_500)
    expect(clock.now()).toBe(T + mono)
    clock.heard(T + mono)
    expect(clock.lag()).toBe(0)
  })
  it('pictures that come seldom are far apart', () => {
    let mono = 0
    const clock = new HubClock(() => mono)
    for (; mono < 60_000; mono += 2_000) clock.heard(T + mono)
    expect(clock.spacing()).toBeGreaterThan(1_900)
    clock.reset()
    expect(clock.spacing()).toBe(0)
  })
})

describe('finding', () => {
  it('knows the letters of Chinese names', () => expect(initials('济南矿山-08 Truck')).toBe('jnks-08 truck'))
  it.each([
    ['jnks', true], ['ks-08', true], ['矿山', true], ['08', true], ['jnks 08', true], ['xf', false], ['f3', false], ['f3c2', true],
  ])('%s in the list', (typed, is) => expect(matches(typed, '济南矿山-08', '二队', 'ab-f3c2-77')).toBe(is))
  it.each([
    ['08', ['济南矿山-08', '济南矿山-18', '济南矿山-80'], '济南矿山-08'],
    ['k8', ['kuang-18', 'k-8', 'xk-08'], 'k-8'],
    ['set', ['Reset all', 'Settings', 'South-east team'], 'Settings'],
    ['bls', ['Back to live', 'Build list', 'Base list south'], 'Base list south'],
  ])('%s means %s first', (typed, names, first) => expect([...names].sort((a, b) => fits(typed, b) - fits(typed, a))[0]).toBe(first))
  it('a letter that is missing is no hit, nothing typed fits all', () => {
    expect([fits('xyz', 'Settings'), fitsAny('q', ['abc', 'bcd'])]).toEqual([0, 0])
    expect(fits('', 'anything')).toBeGreaterThan(0)
  })
})

describe('forms of numbers', () => {
  afterEach(() => void (formats.value = FORMATS_PLAIN))
  it('as set', () => {
    expect([positionText(36.65, -117.0001), metresText(1_852), speedText(10)]).toEqual(['36.650000° N, 117.000100° W', '1.9 km', '10.0 m/s'])
    formats.value = { length: 'nautical', hours: 'utc' }
    expect([metresText(1_852), metresText(50), speedText(10)]).toEqual(['1.00 nmi', '50 m', '19.4 kn'])
    expect(clockText(Date.UTC(2026, 0, 1, 3, 4, 5))).toBe('03:04:05Z')
  })
})

describe('the last picture', () => {
  const store = new Store()
  store.applyMeta({ k: 'meta', units: [5, 2].map((slot) => ({ slot, id: `u${slot}`, callsign: `泰山-${slot}`, kind: 'person', branch: 'fire', team: '', device: slot, stale_s: 30, lost_s: 60 })) } as Meta)
  const bytes = pack({ k: 'snap', t: T, seq: 9, n: 2, c: { slot: bin('u32', [2, 5]), t_fix: bin('f64', [T, NaN]), lat: bin('i32', [366, 0]), flags: bin('u16', [FLAG_SOS | FLAG_BODY, 0]), hr: bin('u8', [150, 90]), bat: bin('u8', [77, 5]) } })
  store.applyPicture(decode(bytes) as Picture)
  it('is read as it was, but for what a body says', () => {
    const { meta, snap } = packPicture(store, T)!
    const again = new Store()
    again.applyMeta(decode(meta) as Meta)
    again.applyPicture(decode(snap) as Picture)
    expect([again.meta(5)?.callsign, again.slotOf('u2')]).toEqual(['泰山-5', 2])
    expect([again.col.lat[2], again.col.t_fix[2], again.col.t_fix[5], again.col.bat[5]]).toEqual([366, T, NaN, 5])
    expect([again.col.flags[2], again.col.hr[2], again.col.hr[5]]).toEqual([FLAG_SOS, 255, 255])
  })
  it('of nobody is none', () => expect(packPicture(new Store(), T)).toBeNull())
  it('has an age only while the clock of this machine goes on', () => {
    expect([hubMsNow({ t: T, wallMs: 1_000 }, 61_000), hubMsNow({ t: T, wallMs: 1_000 }, 900)]).toEqual([T + 60_000, NaN])
  })
})

describe('the service worker', () => {
  const sum = async (text: string): Promise<string> => Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex')
  type Handlers = Record<string, (event: Record<string, unknown>) => void>

  /** The worker of a build with two files, at a hub that serves `served`. */
  async function worker(served: Record<string, string>) {
    vi.resetModules()
    const [handlers, kept] = [{} as Handlers, new Map<string, Map<string, Response>>()]
    const open = async (name: string) => {
      const cache = kept.get(name) ?? new Map<string, Response>()
      kept.set(name, cache)
      return { put: async (key: string, response: Response) => void cache.set(key, response), match: async (key: string) => cache.get(key)?.clone() }
    }
    vi.stubGlobal('__FILES__', { 'index.html': await sum('<page>'), 'assets/a.js': await sum('a()') })
    vi.stubGlobal('__VERSION__', 'v2')
    vi.stubGlobal('location', new URL('http://hub/'))
    vi.stubGlobal('fetch', async (name: string) => new Response(served[name] ?? '', { status: name in served ? 200 : 404 }))
    vi.stubGlobal('caches', { open, keys: async () => [...kept.keys()], delete: async (name: string) => kept.delete(name) })
    vi.stubGlobal('addEventListener', (type: string, handler: Handlers[string]) => (handlers[type] = handler))
    vi.stubGlobal('clients', { claim: async () => undefined })
    await import('../src/sw/sw')
    const run = async (type: string): Promise<unknown> => {
      let waits: unknown
      handlers[type]!({ waitUntil: (what: unknown) => (waits = what) })
      return waits
    }
    const ask = (path: string, mode = 'cors'): Promise<Response> | undefined => {
      let answer: Promise<Response> | undefined
      handlers.fetch!({ request: { url: `http://hub${path}`, method: 'GET', mode }, respondWith: (what: Promise<Response>) => (answer = what) })
      return answer
    }
    return { run, ask, kept }
  }
  afterEach(() => void vi.unstubAllGlobals())

  it('brings its own build without a hub, and leaves the API alone', async () => {
    const served: Record<string, string> = { 'index.html': '<page>', 'assets/a.js': 'a()' }
    const { run, ask, kept } = await worker(served)
    kept.set('zhantu-v1', new Map())
    kept.set('others', new Map())
    await run('install')
    await run('activate')
    expect([...kept.keys()].sort()).toEqual(['others', 'zhantu-v2'])
    for (const name of Object.keys(served)) delete served[name]
    expect(await (await ask('/', 'navigate'))!.text()).toBe('<page>')
    expect(await (await ask('/assets/a.js'))!.text()).toBe('a()')
    expect([ask('/api/v1/units'), ask('/healthz'), ask('/trust', 'navigate')]).toEqual([undefined, undefined, undefined])
  })
  it('takes no file of another build', async () => {
    await expect((await worker({ 'index.html': '<page>', 'assets/a.js': 'newer()' })).run('install')).rejects.toThrow('not of this build')
    await expect((await worker({ 'index.html': '<page>' })).run('install')).rejects.toThrow('not of this build')
    const { ask } = await worker({ 'index.html': '<newer>' })
    await expect(ask('/', 'navigate')).rejects.toThrow('not of this build')
  })
})
