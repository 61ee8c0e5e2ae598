import { describe, expect, it } from 'vitest'
import { GROUND_COLOURS, INKS, SPARK_INKS, SYMBOL_COLOURS, THEMES, UI, ZONE_INKS, type Theme, type Ui } from '../src/tokens'

type Rgb = [number, number, number]

function rgb(colour: string): Rgb {
  const hex = /^#(..)(..)(..)$/.exec(colour)
  if (hex) return [hex[1]!, hex[2]!, hex[3]!].map((pair) => parseInt(pair, 16)) as Rgb
  return colour.split(',').map(Number) as Rgb
}

/** **Source:** WCAG 2.2, relative luminance. Through the red light only the red channel is seen. */
function luminance([r, g, b]: Rgb, theme: Theme): number {
  const linear = (c: number): number => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
  return 0.2126 * linear(r) + (theme === 'red' ? 0 : 0.7152 * linear(g) + 0.0722 * linear(b))
}

function contrast(one: string, other: string, theme: Theme): number {
  const [a, b] = [luminance(rgb(one), theme), luminance(rgb(other), theme)]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

type Name = keyof Ui
const SURFACES: Name[] = ['bg', 'panel', 'raised']
/** [words, what they stand on] */
const WORDS: [Name, Name][] = [
  ...(['text', 'muted', 'sos', 'high', 'stale', 'lost', 'live'] as Name[]).flatMap((word) => SURFACES.filter((s) => word === 'text' || word === 'muted' || s !== 'bg').map((surface): [Name, Name] => [word, surface])),
  ['text', 'selected'], ['text', 'sos-wash'], ['muted', 'sos-wash'], ['text', 'sos-wash-selected'], ['on-full', 'full'], ['panel', 'text'], ['on-past', 'past'], ['on-drill', 'drill'], ['on-drill', 'drill-stripe'], ['on-warn-yellow', 'warn-yellow'],
  ...(['sos-fill', 'sos-seen', 'high-fill', 'warn-orange', 'warn-blue'] as Name[]).map((fill): [Name, Name] => ['on-fill', fill]),
]
/** Shapes that say something by themselves, and edges that must be found. */
const SIGNS: [Name, Name][] = [
  ...(['p1', 'p2', 'p3', 'p4', 'body', 'full', 'edge', 'focus', 'past'] as Name[]).flatMap((sign): [Name, Name][] => [[sign, 'panel'], [sign, 'raised']]),
  ['past', 'bg'], ['focus', 'bg'],
]

describe.each(THEMES)('%s', (theme) => {
  const ui = UI[theme]
  it.each(WORDS)('%s is read on %s', (word, surface) => expect(contrast(ui[word], ui[surface], theme)).toBeGreaterThanOrEqual(4.5))
  it.each(SIGNS)('%s is seen on %s', (sign, surface) => expect(contrast(ui[sign], ui[surface], theme)).toBeGreaterThanOrEqual(3))

  const [inks, ground, symbols] = [INKS[theme], GROUND_COLOURS[theme], SYMBOL_COLOURS[theme]]
  it.each(['sea', 'land', 'city'] as const)('words and symbols are read on %s', (under) => {
    for (const ink of [inks.text, inks.muted]) expect(contrast(ink, ground[under], theme)).toBeGreaterThanOrEqual(4.5)
    for (const ink of [inks.sos, inks.high, inks.selected, inks.trail, inks.doubt, symbols.full, symbols.line]) expect(contrast(ink, ground[under], theme)).toBeGreaterThanOrEqual(3)
    expect(contrast(SPARK_INKS[theme][0], ui.panel, theme)).toBeGreaterThanOrEqual(3)
    expect(contrast(ZONE_INKS[theme].text, ground[under], theme)).toBeGreaterThanOrEqual(4.5)
  })
  it('labels of the ground, glyphs and plates are read', () => {
    expect(contrast(ground.label, ground.city, theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(symbols.onFull, symbols.full, theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(symbols.ink, symbols.hollow, theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(symbols.line, symbols.hollow, theme)).toBeGreaterThanOrEqual(3)
    expect(contrast(inks['on-plate'], inks['sos-plate'], theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(inks['on-plate'], inks['high-plate'], theme)).toBeGreaterThanOrEqual(4.5)
  })
})

it('in red light nothing has a colour but red', () => {
  const all = [UI.red, GROUND_COLOURS.red, SYMBOL_COLOURS.red, INKS.red, ZONE_INKS.red].flatMap((table) => Object.values(table as unknown as Record<string, string>))
  for (const colour of all) if (!colour.startsWith('rgba')) expect(rgb(colour).slice(1)).toEqual([0, 0])
})
