import { encode as pack } from '@msgpack/msgpack'
import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { clearGround, drawings, plans, takeGround } from '../src/app/ground'
import { decode } from '../src/feed/decode'
import type { Drawing } from '../src/feed/ground'
import type { Position } from '../src/feed/safety'
import { beginChange, begin, click, drawn, hand, ink, isWhole, keep, radii, radiiM, redo, remove, stop, undo, undoPoint, words, done, undone } from '../src/ground/hand'
import { vectorLayers } from '../src/ground/vector'

// The page's middle asks where it is when it is loaded.
vi.hoisted(() => Object.assign(globalThis, { location: { protocol: 'http:', host: 'hub' } }))

const PX = 1e5
const px = (a: Position, b: Position): number => Math.hypot(a[0] - b[0], a[1] - b[1]) * PX
const A: Position = [117, 36.65]
const B: Position = [117.01, 36.65]
const C: Position = [117.01, 36.66]
const drawing = (over: Partial<Drawing> = {}): Drawing => ({
  id: 'd1', kind: 'point', geometry: { type: 'Point', coordinates: A }, words: '', sign: 'dot', ink: 'plain', radii_m: [], from_deg: null, to_deg: null,
  agency: '', by: '李', t_utc_ms: 1, rev: 1, ...over,
})

beforeEach(() => {
  stop()
  drawings.value = []
  plans.value = []
  done.value = []
  undone.value = []
  words.value = ''
})

describe('drawings of the feed', () => {
  it('come with large times as numbers; an unknown kind is left out, one without an id refused', () => {
    const said = { ...drawing(), t_utc_ms: 1_795_000_000_000n }
    const got = decode(pack({ k: 'drawing', drawings: [said, { ...said, kind: 'hologram' }], gone: ['x'] }, { useBigInt64: true }))
    expect(got).toMatchObject({ k: 'drawing', drawings: [{ id: 'd1', t_utc_ms: 1_795_000_000_000 }], gone: ['x'] })
    expect(() => decode(pack({ k: 'drawing', drawings: [{ kind: 'line', geometry: {} }] }))).toThrow('no id')
  })
  it('a late word never goes behind what is known; gone is gone', () => {
    takeGround({ k: 'drawing', drawings: [drawing({ rev: 3, words: 'new' })], gone: [] })
    takeGround({ k: 'drawing', drawings: [drawing({ rev: 2, words: 'old' })], gone: [] })
    expect(drawings.value.map((one) => one.words)).toEqual(['new'])
    takeGround({ k: 'drawing', drawings: [], gone: ['d1'] })
    expect(drawings.value).toEqual([])
  })
  it('a new connection forgets the hub’s, and keeps those of this screen', () => {
    takeGround({ k: 'drawing', drawings: [drawing(), drawing({ id: 'mine', rev: 0 })], gone: [] })
    clearGround()
    expect(drawings.value.map(({ id }) => id)).toEqual(['mine'])
  })
  it('a plan lies nowhere without its four corners', () => {
    const plan = { id: 'p', name: '二层', level: -1, width_px: 4, height_px: 3, controls: [], placed: { method: 'affine', corners: [[117, 36]], residuals_m: [], rms_m: null } }
    expect(decode(pack({ k: 'plan', plans: [plan], gone: [] }))).toMatchObject({ plans: [{ level: -1, placed: null }] })
  })
})

describe('the hand', () => {
  it('draws click by click, takes back, and is whole at three corners', () => {
    begin('area')
    for (const at of [A, B, B, C]) click(at, px)
    undoPoint()
    expect(isWhole(hand.value)).toBe(true)
    expect(drawn(hand.value)!.geometry).toEqual({ type: 'Polygon', coordinates: [[A, B, B, A]] })
    undoPoint()
    expect(drawn(hand.value)).toBeNull()
  })
  it('takes no click while nothing is drawn', () => expect(click(A, px)).toBe(false))
  it('a point moves with each click; rings need radii that can be', () => {
    begin('rings')
    click(A, px)
    click(B, px)
    radii.value = '500，x, 1000; -3 900000'
    expect(radiiM()).toEqual([500, 1000])
    expect(drawn(hand.value)).toMatchObject({ geometry: { coordinates: B }, radii_m: [500, 1000] })
    radii.value = 'none'
    expect(drawn(hand.value)).toBeNull()
  })
  it('a corner is taken up by one click and put down by the next; a click beside it does nothing', () => {
    beginChange(drawing({ kind: 'line', geometry: { type: 'LineString', coordinates: [A, B] }, ink: 'blue', words: '线' }))
    expect([words.value, ink.value]).toEqual(['线', 'blue'])
    click(C, px)
    expect(hand.value!.picked).toBeNull()
    click([B[0] + 5 / PX, B[1]], px)
    expect(hand.value!.picked).toBe(1)
    click(C, px)
    expect(drawn(hand.value)).toMatchObject({ id: 'd1', rev: 1, geometry: { coordinates: [A, C] } })
  })
  it('who may not share keeps it on this screen, with undo and redo', async () => {
    begin('line')
    click(A, px)
    click(B, px)
    words.value = ' 线 '
    await keep()
    expect(drawings.value).toMatchObject([{ words: '线', rev: 0 }])
    expect(hand.value).toBeNull()
    await undo()
    expect(drawings.value).toEqual([])
    await redo()
    expect(drawings.value).toHaveLength(1)
    await remove(drawings.value[0]!)
    expect(drawings.value).toEqual([])
    await undo()
    await undo()
    await undo()
    expect(drawings.value).toEqual([])
    await redo()
    expect(drawings.value).toMatchObject([{ words: '线' }])
  })
})

describe('our look of a vector map', () => {
  it.each(['night', 'day'] as const)('%s: greys only, names in the language, no borders, no fonts from elsewhere', (theme) => {
    const layers = vectorLayers('base', theme, 'zh', 1)
    const text = JSON.stringify(layers)
    for (const [, r, g, b] of text.matchAll(/#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/g)) {
      const [x, y, z] = [r, g, b].map((part) => parseInt(part!, 16)) as [number, number, number]
      expect(Math.max(x, y, z) - Math.min(x, y, z)).toBeLessThan(24)
    }
    expect(text).not.toMatch(/boundar|admin|glyphs|http/)
    expect(text).toContain('name:zh')
    expect(new Set(layers.map(({ id }) => id)).size).toBe(layers.length)
  })
  it.each(['zh', 'en'] as const)('MapLibre takes it as a style, in %s', (lang) => {
    const sources = { base: { type: 'vector' as const, tiles: ['zmap://a/{z}/{x}/{y}'] } }
    expect(validateStyleMin({ version: 8, sources, layers: vectorLayers('base', 'day', lang, 0.5) }).map(({ message }) => message)).toEqual([])
    expect(validateStyleMin({ version: 8, sources: {}, layers: vectorLayers('base', 'day', lang, 0.5) }).length).toBeGreaterThan(0)
  })
})
