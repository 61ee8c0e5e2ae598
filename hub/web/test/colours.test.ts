import { describe, expect, it } from 'vitest'
import { GROUND_COLOURS, INKS, SYMBOL_COLOURS, type Theme } from '../src/tokens'

/** Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB. */
const SIGHT = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
} as const
type Rgb = [number, number, number]

const linear = (hex: string): Rgb => [1, 3, 5].map((at) => {
  const c = parseInt(hex.slice(at, at + 2), 16) / 255
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
}) as Rgb
const seen = (rgb: Rgb, by: keyof typeof SIGHT): Rgb => SIGHT[by].map((row) => Math.min(1, Math.max(0, row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]))) as Rgb
const luminance = ([r, g, b]: Rgb): number => 0.2126 * r + 0.7152 * g + 0.0722 * b
const contrast = (a: string, b: string): number => {
  const [high, low] = [luminance(linear(a)), luminance(linear(b))].sort((x, y) => y - x) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

/** CIE 1976 L*a*b* under D65. */
function lab([r, g, b]: Rgb): Rgb {
  const f = (t: number): number => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116)
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047)
  const y = f(luminance([r, g, b]))
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883)
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
}
const deltaE = (a: string, b: string, by: keyof typeof SIGHT): number => {
  const [p, q] = [lab(seen(linear(a), by)), lab(seen(linear(b), by))]
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2])
}

const THEMES: Theme[] = ['night', 'day']
/** A difference that is seen at a glance, and not only side by side. */
const DELTA_E_MIN = 20

/** What fills the sign of each state. Lost and stale have the same colours: half full, and hollow within dashes. */
const fills = (theme: Theme) => {
  const { full, hollow } = SYMBOL_COLOURS[theme]
  const { sos, high } = INKS[theme]
  return { online: full, silent: hollow, sos, mandown: high }
}

describe.each(THEMES)('colours by %s', (theme) => {
  const { land, sea, city } = GROUND_COLOURS[theme]
  const { full, line, ink } = SYMBOL_COLOURS[theme]
  const inks = INKS[theme]
  it.each([['full', full], ['outline of who is silent', line], ['sos', inks.sos], ['mandown', inks.high], ['chosen', inks.chosen], ['selected', inks.selected]])('%s stands out from every ground 3:1', (_name, colour) => {
    for (const ground of [land, sea, city]) expect(contrast(colour, ground)).toBeGreaterThanOrEqual(3)
  })
  it('words reach 4.5:1 on ground, halo and plate', () => {
    for (const ground of [land, sea, city, inks.halo]) for (const word of [inks.text, inks.muted]) expect(contrast(word, ground)).toBeGreaterThanOrEqual(4.5)
    for (const plate of [inks['sos-plate'], inks['high-plate']]) expect(contrast(inks['on-plate'], plate)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(ink, SYMBOL_COLOURS[theme].hollow)).toBeGreaterThanOrEqual(4.5)
  })
  it.each(['normal', 'protanopia', 'deuteranopia'] as const)('fills of states are told apart by %s sight', (by) => {
    const all = Object.entries(fills(theme))
    for (const [i, [a, one]] of all.entries()) {
      for (const [b, other] of all.slice(i + 1)) expect(deltaE(one, other, by), `${a} and ${b}`).toBeGreaterThanOrEqual(DELTA_E_MIN)
    }
  })
})

describe('the measure itself', () => {
  it('says that red and green are alike to who cannot tell them apart', () => {
    expect(deltaE('#c05050', '#7f7f35', 'normal')).toBeGreaterThan(40)
    expect(deltaE('#b05a50', '#7f7f50', 'deuteranopia')).toBeLessThan(15)
  })
  it('grey stays grey in every sight', () => {
    for (const by of ['protanopia', 'deuteranopia'] as const) expect(deltaE('#808080', '#808080', by)).toBe(0)
  })
})
