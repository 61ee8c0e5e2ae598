import { describe, expect, it } from 'vitest'
import { holes, layerOf } from '../src/app/layers'
import { decodeSafety } from '../src/feed/decodeSafety'
import { Trails } from '../src/feed/trails'

const cell = (properties: object, geometry: object | null = { type: 'Polygon', coordinates: [] }) => ({ type: 'Feature', geometry, properties })

describe('layers', () => {
  it('keep what the answer says beside its features, and count holes apart', () => {
    const layer = layerOf({ features: [cell({ hole: true }), cell({ hole: false }), cell({}), cell({ hole: true }, null)], inputs: { samples: 3 } })
    expect(layer.features.length).toBe(3)
    expect(holes(layer)).toBe(1)
    expect(layer.about.inputs).toEqual({ samples: 3 })
  })
  it('of no answer are empty', () => expect(layerOf('no')).toEqual({ features: [], about: {} }))
})

describe('a simplified trail', () => {
  it('knows where nothing is missing, and where something is', () => {
    const trails = new Trails()
    trails.replace(0, { t: [0, 600_000, 900_000], lat: [1, 2, 3], lon: [0, 0, 0], gap: [0, 0, 1] }, 100)
    trails.push(0, 901_000, 9_000, 0)
    expect([...trails.get(0)!.joined]).toEqual([1, 1, 0, 0])
  })
})

describe('a station', () => {
  const said = { k: 'station', id: 'h:1', stale_s: 900, values: [{ name: 'level', value: 23.4, over: true, colour: 'orange', t: 5 }] }
  it('says when a value is stale, and which colour it is over', () => {
    const station = decodeSafety(said)
    expect(station).toMatchObject({ stale_s: 900, values: [{ colour: 'orange', over: true, t: 5 }] })
  })
  it('of a hub that does not say so is never called fresh by mistake', () => {
    expect(decodeSafety({ ...said, stale_s: undefined, values: [{ name: 'level', value: 1 }] })).toMatchObject({ stale_s: null, values: [{ t: null, over: false, colour: '' }] })
  })
})
