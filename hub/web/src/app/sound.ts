/**
 * Tones of this browser: its own oscillators, no files. The hub is told whether it may sound at all, because browsers keep
 * quiet until a person has touched the page, and a silent wallboard that everybody trusts is worse than none.
 */
import { effect, signal } from '@preact/signals'
import { due, TONES, type Played } from '../laws/sound'
import { isCalling } from '../laws/alarms'
import type { Priority } from '../feed/safety'
import { clock, door, hello, openAlarms, pulse, socket } from './core'

const GAIN: Record<Priority, number> = { 1: 0.5, 2: 0.32, 3: 0.2, 4: 0.12 }
const EDGE_S = 0.012

/** False: nothing would be heard. */
export const maySound = signal(false)
let context: AudioContext | null = null
let played: Played | null = null

export function startSound(): void {
  for (const gesture of ['pointerdown', 'keydown'] as const) addEventListener(gesture, wake, { capture: true, passive: true })
  // A wallboard may be allowed to sound without a hand: trying is the only way to know.
  effect(() => void (door.value === 'in' && context === null && make()))
  effect(() => {
    const may = maySound.value
    if (hello.value) socket.send({ k: 'sound', may })
  })
  effect(() => {
    void pulse.value
    if (maySound.value) sound()
  })
}

function make(): void {
  if (!('AudioContext' in window)) return
  context = new AudioContext()
  context.onstatechange = look
  look()
}

function look(): void {
  maySound.value = context?.state === 'running'
}

/** Inside a gesture the browser allows it; false when it still does not. */
export function wake(): void {
  if (context === null) make()
  if (context !== null && context.state !== 'running') void context.resume().then(look, look)
  look()
}

function sound(): void {
  const alarms = openAlarms.peek()
  const now = clock.now()
  const priority = due(alarms, now, played, hello.peek()?.role)
  if (priority !== null) {
    played = { priority, at: now, ids: new Set(alarms.filter((alarm) => isCalling(alarm, now)).map(({ id }) => id)) }
    tone(priority)
  } else if (!alarms.some((alarm) => isCalling(alarm, now))) played = null
}

/** Plays one tone now, as the test button does. */
export function tone(priority: Priority): void {
  if (context === null || context.state !== 'running') return
  const from = context.currentTime + 0.02
  for (const [hz, beginS, lengthS] of TONES[priority]) {
    const [voice, level] = [context.createOscillator(), context.createGain()]
    voice.type = priority === 1 ? 'square' : 'sine'
    voice.frequency.value = hz
    const [on, off] = [from + beginS, from + beginS + lengthS]
    level.gain.setValueAtTime(0, on)
    level.gain.linearRampToValueAtTime(GAIN[priority], on + EDGE_S)
    level.gain.setValueAtTime(GAIN[priority], off - EDGE_S)
    level.gain.linearRampToValueAtTime(0, off)
    voice.connect(level).connect(context.destination)
    voice.start(on)
    voice.stop(off + 0.02)
  }
}

let testing = 0

/** All four, one after the other; the gravest first. */
export function testTones(): void {
  wake()
  clearInterval(testing)
  let next = 1
  testing = window.setInterval(() => {
    if (next > 4) return clearInterval(testing)
    tone(next as Priority)
    next += 1
  }, 1_400)
  setTimeout(() => tone(1), 60)
  next = 2
}
