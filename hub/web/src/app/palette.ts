/** Whether the palette is open, and what is typed into it. */
import { computed, signal } from '@preact/signals'
import { COMMANDS, type Command } from './commands'
import { roster } from './core'
import { fitsAny } from '../laws/fuzzy'
import { RANK } from '../laws/order'
import { initials } from '../laws/pinyin'
import { say, t } from '../i18n'
import type { Unit } from './core'

const UNITS_MAX = 8
const COMMANDS_MAX = 30

export const paletteOpen = signal(false)
export const typed = signal('')
export const at = signal(0)

export type Found = { unit: Unit } | { command: Command }

function best<T>(things: readonly T[], most: number, score: (thing: T) => number, then: (a: T, b: T) => number): T[] {
  return things.map((thing) => ({ thing, score: score(thing) })).filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || then(a.thing, b.thing)).slice(0, most).map(({ thing }) => thing)
}

/** Units only once something is typed: who is worst off first among those that fit alike. */
export const found = computed<Found[]>(() => {
  if (!paletteOpen.value) return []
  const words = typed.value.trim()
  const units = words === '' ? [] : best(roster.value, UNITS_MAX, ({ callsign, team }) => fitsAny(words, [callsign, initials(callsign), `${team} ${callsign}`]),
    (a, b) => RANK[a.state] - RANK[b.state] || a.place - b.place)
  const commands = best(COMMANDS.filter((one) => one.id !== 'palette' && one.id !== 'close' && (one.when?.() ?? true)), COMMANDS_MAX,
    ({ name, id }) => fitsAny(words, [t(name), initials(say('zh', name)), say('en', name), id]), () => 0)
  return [...units.map((unit) => ({ unit })), ...commands.map((command) => ({ command }))]
})

let before: HTMLElement | null = null

export function openPalette(): void {
  before = document.activeElement as HTMLElement | null
  typed.value = ''
  at.value = 0
  paletteOpen.value = true
}

/** The focus goes back to where it was. */
export function closePalette(): void {
  if (!paletteOpen.peek()) return
  paletteOpen.value = false
  if (before?.isConnected) before.focus()
}
