import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { boundM, drawn, LAW, predict, stateOf } from '../src/laws/reckon'

interface Vector {
  speed_dmps: number | null
  course_deg: number | null
  lat_deg_e7: number
  lon_deg_e7: number
  age_s: number
  predicted_e7: [number, number]
  speed_max_mps: number
  bound_m: number
}
interface Vectors {
  law: { error_m: number; t_max_s: number; late_s: number }
  vectors: Vector[]
}

// Written by tests/protocols/test_reckon.py, which holds protocols/laws/reckon.py against it.
const path = new URL('../../../tests/web/reckon_vectors.json', import.meta.url)
const told = JSON.parse(readFileSync(path, 'utf-8')) as Vectors

describe('dead reckoning', () => {
  it('has the settings of the edge', () => {
    expect(LAW).toEqual({ errorM: told.law.error_m, tMaxS: told.law.t_max_s, lateS: told.law.late_s })
    expect(told.vectors.length).toBeGreaterThan(50)
  })
  it.each(told.vectors.map((vector, at) => [at, vector] as const))('draws vector %i as the hub does', (_at, v) => {
    const speed = v.speed_dmps === null ? NaN : v.speed_dmps / 10
    const state = stateOf(5_000, v.lat_deg_e7 / 1e7, v.lon_deg_e7 / 1e7, speed, v.course_deg ?? NaN)
    const [lat, lon] = predict(state, 5_000 + v.age_s * 1000)
    expect(Math.abs(lat * 1e7 - v.predicted_e7[0])).toBeLessThan(0.1)
    expect(Math.abs(lon * 1e7 - v.predicted_e7[1])).toBeLessThan(0.1)
    expect(boundM(v.age_s, v.speed_max_mps)).toBeCloseTo(v.bound_m, 6)
  })
})

describe('a unit that reports by dead reckoning', () => {
  const fix = { tMs: 1e12, latDeg: 36.65, lonDeg: 117 }
  it('is drawn ahead on its course with the law of its error as radius', () => {
    const at = drawn(1e12 + 40_000, fix, 2, 0, 5, 6)
    expect((at.latDeg - 36.65) * 111_194.93).toBeCloseTo(80, 1)
    expect([at.lonDeg, at.radiusM]).toEqual([117, 30])
  })
  it('stands still once a report is missing, and the radius grows', () => {
    const [late, later] = [drawn(1e12 + 75_000, fix, 2, 90, 5, 6), drawn(1e12 + 175_000, fix, 2, 90, 5, 6)]
    expect(later.lonDeg).toBe(late.lonDeg)
    expect(later.radiusM).toBe(late.radiusM + 600)
  })
  it('stays where it was without speed, and before its own fix', () => {
    expect(drawn(1e12 + 40_000, fix, NaN, NaN, 5, 6)).toEqual({ latDeg: 36.65, lonDeg: 117, radiusM: 30 })
    expect(drawn(1e12 - 9_000, fix, 2, 0, 5, 6).latDeg).toBe(36.65)
  })
})
