import { describe, expect, it } from 'vitest'
import { decode } from '../src/feed/decode'
import { encode as pack } from '@msgpack/msgpack'
import type { Meta, UnitMeta } from '../src/feed/messages'
import { Roster } from '../src/feed/roster'
import { Store } from '../src/feed/store'
import { POINTS_FULL, POINTS_SHORT, Trails } from '../src/feed/trails'
import { FLAG_MAN_DOWN, FLAG_SOS } from '../src/laws/contact'
import { floorText, isInside } from '../src/laws/inside'
import { FULL_PACE, GLIDE_MS_MAX, p95, paced, retried, SHARP_MS_MAX, type Pace } from '../src/laws/pace'
import { press, stampOf } from '../src/map/dots'
import { edgePoint, outside } from '../src/map/edges'
import { entrances } from '../src/map/entrances'
import { hitAt, PickGrid } from '../src/map/pick'
import { ringMetres } from '../src/map/rings'
import { CROWD, Sight, type Wanted } from '../src/map/scene'
import type { PictureSource } from '../src/map/source'
import { FAN_MAX, fanOut } from '../src/map/spider'
import { Taken } from '../src/map/taken'
import { mercatorX, mercatorY, metresBetween, screenX, screenY, type View } from '../src/map/view'
import { bin } from './makeExample'

const T = 1_795_000_000_000
const VIEW: View = { cx: mercatorX(117), cy: mercatorY(36.65), worldPx: 512 * 2 ** 14, widthPx: 1280, heightPx: 720 }
const NOBODY: Wanted = { selected: undefined, chosen: new Set(), tasked: new Set() }
const meta = (slot: number, over: Partial<UnitMeta> = {}): UnitMeta =>
  ({ slot, id: `u${slot}`, callsign: `泰山-${slot}`, kind: 'person', branch: 'fire', team: '', device: slot + 1, stale_s: 30, lost_s: 120, ...over })

interface Row { lat: number; lon: number; ageS?: number; flags?: number; speed?: number; course?: number }

/** A store with these rows, seen at T: as the page has it, through the decoder. */
function picture(rows: readonly Row[], over: (slot: number) => Partial<UnitMeta> = () => ({})): PictureSource & { store: Store; tick(rows: readonly Row[]): void } {
  const store = new Store()
  store.applyMeta({ k: 'meta', units: rows.map((_, slot) => meta(slot, over(slot))) } as Meta)
  let seq = 0
  const apply = (k: 'snap' | 'tick', given: readonly Row[]): void => {
    const of = (pick: (row: Row) => number): number[] => given.map(pick)
    const c = {
      slot: bin('u32', given.map((_, slot) => slot)), lat: bin('i32', of(({ lat }) => Math.round(lat * 1e7))), lon: bin('i32', of(({ lon }) => Math.round(lon * 1e7))),
      t_fix: bin('f64', of(({ ageS = 0 }) => T - ageS * 1000)), t_rx: bin('f64', of(({ ageS = 0 }) => T - ageS * 1000)), flags: bin('u16', of(({ flags = 0 }) => flags)),
      speed: bin('u16', of(({ speed = 0 }) => speed)), course: bin('u16', of(({ course = 0 }) => course)), hacc: bin('u16', of(() => 50)),
    }
    store.applyPicture(decode(pack({ k, t: T, seq: ++seq, n: given.length, c })) as never)
  }
  apply('snap', rows)
  return {
    store, tick: (next) => apply('tick', next), trails: store.trails, meta: (slot) => store.meta(slot), now: () => T,
    get col() { return store.col }, get slots() { return store.slots }, get ticks() { return store.ticks },
  }
}

const crowd = (count: number): Row[] => Array.from({ length: count }, (_, i) => ({ lat: 36.65 + ((i % 40) - 20) * 0.0005, lon: 117 + (Math.floor(i / 40) - 20) * 0.0005 }))

describe('scene', () => {
  it('few are drawn whole; a crowd as dots but for danger and whom the commander marked, the gravest on top', () => {
    const rows = crowd(CROWD + 100).map((row, i): Row => ({ ...row, flags: i === 5 ? FLAG_SOS : i === 6 ? FLAG_MAN_DOWN : 0, ageS: i === 8 ? 60 : i === 9 ? 300 : 0 }))
    const sight = new Sight()
    const scene = sight.look(picture(rows), VIEW, { selected: 3, chosen: new Set([1]), tasked: new Set([2]) })
    expect([scene.crowded, scene.shown]).toEqual([true, rows.length])
    expect(scene.marks.map(({ slot }) => slot)).toEqual([1, 2, 6, 5, 3])
    expect([...scene.order.slice(-7)]).toEqual([8, 9, 1, 2, 6, 5, 3])
    expect(new Set(scene.order).size).toBe(rows.length)
    expect(new Sight().look(picture(crowd(50)), VIEW, NOBODY)).toMatchObject({ crowded: false, shown: 50, marks: { length: 50 } })
  })
  it('danger outside the view is in the scene, so that an arrow can point there', () => {
    const source = picture([{ lat: 36.65, lon: 117 }, { lat: 30, lon: 110, flags: FLAG_SOS }, { lat: 30, lon: 110 }, { lat: 36.65, lon: 118, flags: FLAG_MAN_DOWN }])
    const sight = new Sight()
    const scene = sight.look(source, VIEW, NOBODY)
    expect(scene.shown).toBe(1)
    expect(outside(scene, VIEW, (slot) => sight.isInView(slot)).map(({ slot }) => slot)).toEqual([1, 3])
  })
  it('glides from the place before to the place now, and never over a jump', () => {
    const source = picture([{ lat: 36.65, lon: 117 }, { lat: 36.65, lon: 117 }])
    const sight = new Sight()
    sight.look(source, VIEW, NOBODY)
    source.tick([{ lat: 36.65, lon: 117.0005 }, { lat: 36.65, lon: 117.5 }])
    const scene = sight.look(source, VIEW, NOBODY)
    expect(sight.beforeX[0]).toBe(mercatorX(117))
    expect(sight.x[0]).toBe(mercatorX(117.0005))
    expect(sight.beforeX[1]).toBe(mercatorX(117.5))
    expect(scene.stepPx).toBeCloseTo(((0.0005 / 360) * VIEW.worldPx), 3)
    sight.look(source, VIEW, NOBODY)
    expect(sight.beforeX[0], 'the same picture again is no new step').toBe(mercatorX(117))
  })
  it('a silent one has no arrow, and its circle grows', () => {
    const at = (ageS: number) => new Sight().look(picture([{ lat: 36.65, lon: 117, ageS, speed: 20, course: 45 }]), VIEW, NOBODY).marks[0]!
    expect(at(0)).toMatchObject({ courseDeg: 45, contact: 'online' })
    expect(at(60)).toMatchObject({ courseDeg: NaN, contact: 'stale' })
    expect(at(600).radiusM).toBeGreaterThan(at(60).radiusM)
  })
  it('one that is removed leaves the map', () => {
    const source = picture(crowd(3))
    source.store.remove([1])
    expect([...new Sight().look(source, VIEW, NOBODY).order]).toEqual([0, 2])
  })
})

describe('inside', () => {
  const entry = { lat: 36.65, lon: 117, t: T - 60_000 }
  it.each([[T - 61_000, true], [T - 55_000, true], [T - 20_000, false], [NaN, true]])('a fix at %d', (fix, is) => expect(isInside(entry, fix)).toBe(is))
  it('without an entrance nobody is inside', () => expect(isInside(undefined, NaN)).toBe(false))
  it.each([[-2, 'B2'], [3, '3F'], ['夹层', '夹层'], [undefined, '']] as const)('floor %s', (floor, text) => expect(floorText(floor)).toBe(text))
  it('stands beside the entrance and not on the map, but in danger on both', () => {
    const rows = [{ lat: 36.65, lon: 117, ageS: 90 }, { lat: 36.65, lon: 117, ageS: 90, flags: FLAG_SOS }, { lat: 36.65, lon: 117 }]
    const source = picture(rows, () => ({ entry, floor: -1 }))
    const scene = new Sight().look(source, VIEW, NOBODY)
    expect(scene.inside).toEqual([0, 1])
    expect(scene.marks.map(({ slot }) => slot)).toEqual([2, 1])
  })
  it('is listed by entrance: danger first, then the deepest', () => {
    const unit = (slot: number, floor: number, lon: number, state: 'sos' | 'online') => ({ slot, meta: meta(slot, { floor, entry: { ...entry, lon } }), state, insideS: 0 })
    const list = entrances([unit(0, 2, 117, 'online'), unit(1, -3, 117, 'online'), unit(2, 5, 117.00001, 'sos'), unit(3, 0, 117.01, 'online')])
    expect(list.map(({ units }) => units.map(({ slot }) => slot))).toEqual([[2, 1, 0], [3]])
  })
  it('meta keys that are not whole are left out, and the unit keeps its name', () => {
    const read = decode(pack({ k: 'meta', units: [
      { ...meta(0), entry: { lat: 36, lon: 'x', t: T }, sidc: '<svg>', floor: true }, { ...meta(1), entry, sidc: 'SFGPUCI----D---', floor: -2 },
    ] })) as Meta
    expect(read.units).toEqual([meta(0), { ...meta(1), entry, sidc: 'SFGPUCI----D---', floor: -2 }])
  })
})

describe('pace', () => {
  const after = (frameMs: number, frames = 40, from: Pace = FULL_PACE): Pace => Array.from({ length: frames }).reduce<Pace>((pace, _, i) => paced(pace, frameMs, i * frameMs), from)
  it('draws all while frames are quick', () => expect(after(16)).toMatchObject({ glide: true, coarse: false }))
  it('slow frames end the glide', () => expect(after(GLIDE_MS_MAX + 1)).toMatchObject({ glide: false, coarse: false }))
  it('very slow ones make the moved ground coarse', () => expect(after(SHARP_MS_MAX + 1)).toMatchObject({ glide: false, coarse: true }))
  it('a few slow frames among quick ones change nothing, nor do too few', () => {
    expect(after(16, 39, paced(FULL_PACE, 500, 0)).glide).toBe(true)
    expect(after(500, 39).glide).toBe(true)
  })
  it('a pause is no frame', () => expect(paced(FULL_PACE, 5_000, 0)).toBe(FULL_PACE))
  it('is tried again, and waits twice as long after each time in vain', () => {
    const slow = after(200)
    expect(retried(slow, slow.againAt - 1)).toBe(slow)
    const again = retried(slow, slow.againAt)
    expect(again).toMatchObject({ glide: true, coarse: false })
    expect([slow.waitMs, after(200, 40, again).waitMs]).toEqual([60_000, 120_000])
  })
  it('p95', () => expect(p95(Array.from({ length: 100 }, (_, i) => i))).toBe(95))
})

describe('pick', () => {
  const grid = new PickGrid(Float32Array.from([100, 104, 300, 2000]), Float32Array.from([100, 100, 300, 100]), [7, 8, 9, 10], 1280, 720)
  it('the nearest first, of equals the one above', () => {
    expect(grid.near(101, 100, 24)).toEqual([0, 1])
    expect(grid.near(600, 600, 24)).toEqual([])
  })
  it('a stack is who covers each other, what lies above first', () => {
    expect(grid.stack(99, 100, 15)).toEqual([8, 7])
    expect(grid.stack(301, 299, 15)).toEqual([9])
    expect(grid.stack(640, 360, 15)).toEqual([])
  })
  it('a box', () => expect(grid.within({ x0: 90, y0: 90, x1: 310, y1: 310 })).toEqual([7, 8, 9]))
  it('finds the same as looking at all', () => {
    const of = (seed: number, most: number) => Float32Array.from({ length: 3000 }, (_, i) => (Math.sin(i * seed) * 0.5 + 0.5) * most)
    const [x, y] = [of(12.9898, 1280), of(78.233, 720)]
    const many = new PickGrid(x, y, [...x.keys()], 1280, 720)
    for (let i = 0; i < 50; i++) {
      const [px, py] = [x[i * 7]! + 5, y[i * 11]! - 3]
      const all = [...x.keys()].filter((j) => Math.hypot(x[j]! - px, y[j]! - py) <= 24)
      expect(new Set(many.near(px, py, 24))).toEqual(new Set(all))
    }
  })
  it('the last hit lies above', () => {
    const hits = [{ x0: 0, y0: 0, x1: 10, y1: 10, slot: 1 }, { x0: 5, y0: 5, x1: 15, y1: 15, slot: 2 }]
    expect([hitAt(hits, 7, 7)?.slot, hitAt(hits, 2, 2)?.slot, hitAt(hits, 20, 2)]).toEqual([2, 1, undefined])
  })
})

describe('places for words and signs', () => {
  it('what is taken is not free, what is beyond the screen is', () => {
    const taken = new Taken(200, 100)
    taken.take({ x0: 10, y0: 10, x1: 60, y1: 30 })
    expect([taken.isFree({ x0: 50, y0: 20, x1: 90, y1: 40 }), taken.isFree({ x0: 80, y0: 20, x1: 120, y1: 40 }), taken.isFree({ x0: -50, y0: -50, x1: -10, y1: -10 })]).toEqual([false, true, true])
  })
  it.each([1, 2, 3, 8, FAN_MAX])('the legs of a fan of %i are apart and within the view', (count) => {
    for (const [x, y] of [[640, 360], [3, 3], [1279, 719]] as const) {
      const legs = fanOut(count, x, y, { widthPx: 1280, heightPx: 720 })
      for (const leg of legs) expect([leg.x > 20, leg.x < 1260, leg.y > 15, leg.y < 705]).toEqual([true, true, true, true])
      legs.forEach((a, i) => legs.slice(i + 1).forEach((b) => expect(Math.abs(a.x - b.x) + Math.abs(a.y - b.y)).toBeGreaterThan(40)))
    }
  })
  it('an arrow stands at the edge towards its place', () => {
    for (const [lat, lon] of [[40, 117], [30, 110], [36.65, 125]] as const) {
      const [px, py] = [screenX(VIEW, mercatorX(lon)), screenY(VIEW, mercatorY(lat))]
      const [ex, ey] = edgePoint(VIEW, px, py)
      expect([ex >= 0, ex <= VIEW.widthPx, ey >= 0, ey <= VIEW.heightPx]).toEqual([true, true, true, true])
      expect(Math.atan2(ey - 360, ex - 640)).toBeCloseTo(Math.atan2(py - 360, px - 640), 6)
    }
  })
  it('rings are round numbers within the view', () => {
    for (const perMetre of [0.001, 0.05, 0.31, 2, 17]) {
      const rings = ringMetres(perMetre, 360)
      expect(rings.at(-1)! * perMetre).toBeLessThanOrEqual(360)
      expect(rings.at(-1)! * perMetre).toBeGreaterThan(120)
      expect(rings[0]! / 10 ** Math.floor(Math.log10(rings[0]! * 1.000001))).toSatisfy((first: number) => [1, 2, 2.5, 5].some((step) => Math.abs(first - step) < 1e-9))
    }
  })
  it('metres along a great circle', () => expect(metresBetween(36.65, 117, 36.65, 118) / 1000).toBeCloseTo(89.31, 0))
  it('a dot at the rim is cut off, and nothing is written elsewhere', () => {
    const image = new Uint32Array(16).fill(0xff0000ff)
    const stamp = stampOf(image, 4)
    const inside = new Uint32Array(100)
    press(inside, 10, 10, stamp, 5, 5)
    expect(inside.filter((pixel) => pixel !== 0)).toHaveLength(16)
    const rim = new Uint32Array(100)
    press(rim, 10, 10, stamp, 0, 0)
    expect(rim.filter((pixel) => pixel !== 0)).toHaveLength(4)
    press(rim, 10, 10, stamp, -20, 500)
    expect(rim.filter((pixel) => pixel !== 0)).toHaveLength(4)
  })
})

describe('roster', () => {
  it('is the same list while units only move, and another one when a state changes', () => {
    const source = picture([{ lat: 36, lon: 117 }, { lat: 36, lon: 117 }, { lat: 36, lon: 117, ageS: 60 }])
    const roster = new Roster()
    roster.update(source.store, T, 0, '')
    const [list, first] = [roster.list, roster.list[0]]
    source.tick([{ lat: 37, lon: 117 }, { lat: 37, lon: 117 }, { lat: 36, lon: 117, ageS: 60 }])
    roster.update(source.store, T, 250, '')
    expect(roster.list).toBe(list)
    expect(roster.counts).toEqual({ total: 3, online: 2, stale: 1, lost: 0, sos: 0 })
    source.tick([{ lat: 37, lon: 117 }, { lat: 37, lon: 117, flags: FLAG_SOS }, { lat: 36, lon: 117, ageS: 60 }])
    roster.update(source.store, T, 500, '')
    expect(roster.list).not.toBe(list)
    expect(roster.list.map(({ state }) => state)).toEqual(['online', 'sos', 'stale'])
    expect(roster.list[0]).toBe(first)
    expect(roster.counts.sos).toBe(1)
  })
  it('a large list waits for its second, but danger does not, nor who is gone', () => {
    const rows = crowd(4_000)
    const source = picture(rows)
    const roster = new Roster()
    roster.update(source.store, T, 0, '')
    const with_ = (over: Partial<Row>) => rows.map((row, i) => (i === 9 ? { ...row, ...over } : row))
    source.tick(with_({ ageS: 60 }))
    const list = roster.list
    roster.update(source.store, T, 250, '')
    expect(roster.list).toBe(list)
    expect(roster.counts.stale).toBe(1)
    roster.update(source.store, T, 1_100, '')
    expect(roster.list).not.toBe(list)
    source.tick(with_({ flags: FLAG_SOS }))
    roster.update(source.store, T, 1_200, '')
    expect(roster.list.filter(({ state }) => state === 'sos')).toHaveLength(1)
    source.store.remove([9])
    roster.update(source.store, T, 1_300, '')
    expect(roster.list).toHaveLength(3_999)
  })
})

describe('trails', () => {
  it('keep the newest in their bound, also when there is room for more units', () => {
    const trails = new Trails()
    for (let i = 0; i < 500; i++) trails.push(7, i * 1000, i * 1000, i)
    trails.makeRoom(100_000)
    for (let i = 500; i < 520; i++) trails.push(7, i * 1000, i * 1000, i)
    trails.push(99_999, 1000, 1, 1)
    const { t } = trails.get(7)!
    expect(t.at(-1)).toBe(519_000)
    expect(t.length).toBeGreaterThan(10)
    expect([...t]).toEqual([...t].sort((a, b) => a - b))
    expect(trails.get(99_999)!.t.length).toBe(1)
    expect(trails.get(5)).toBeUndefined()
  })
  it('of those fetched only the last few stay long', () => {
    const trails = new Trails()
    const long = { t: Array.from({ length: 1500 }, (_, i) => i * 1000), lat: Array.from({ length: 1500 }, (_, i) => i * 1000), lon: Array<number>(1500).fill(0) }
    for (let slot = 0; slot < 40; slot++) trails.replace(slot, long, POINTS_FULL)
    expect([trails.get(39)!.t.length, trails.get(0)!.t.length <= POINTS_SHORT, trails.get(0)!.t.at(-1)]).toEqual([1500, true, 1_499_000])
    trails.push(39, 2_000_000, 5_000_000, 0)
    expect(trails.get(39)!.t.at(-1)).toBe(2_000_000)
    trails.forget(39)
    expect(trails.get(39)).toBeUndefined()
  })
})

describe('columns', () => {
  it.each([['neighbours', [0, 1, 2, 3]], ['stretches', [...Array.from({ length: 30 }, (_, i) => i), ...Array.from({ length: 30 }, (_, i) => 100 + i)]], ['single ones', [0, 2, 4, 6, 90]], ['any order', [5, 3, 4, 1]]])('of %s stand where their slots are', (_name, slots) => {
    const store = new Store()
    store.applyPicture(decode(pack({ k: 'tick', t: T, seq: 1, n: slots.length, c: { slot: bin('u32', slots), lat: bin('i32', slots.map((s) => s * 10 + 1)) } })) as never)
    expect(slots.map((slot) => store.col.lat[slot])).toEqual(slots.map((s) => s * 10 + 1))
    expect(store.col.lat.reduce((sum, value) => sum + Number(value !== 0), 0)).toBe(slots.length)
  })
})
