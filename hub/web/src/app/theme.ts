/**
 * How the page looks: colours (night, day, red light) and size (a desk, or a wall read from four metres).
 *
 * Night unless the machine asks for day; while nobody has chosen, it follows the machine. What a person chose is remembered.
 */
import { effect, signal } from '@preact/signals'
import { THEMES, type Theme } from '../tokens'

const COLOURS = 'zhantu.theme'
const SIZE = 'zhantu.wall'
const day = matchMedia('(prefers-color-scheme: light)')

function kept(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null // A browser that forbids storage follows the machine's setting.
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // As above.
  }
}

const ofMachine = (): Theme => (day.matches ? 'day' : 'night')
const chosen = THEMES.find((one) => one === kept(COLOURS))

export const theme = signal<Theme>(chosen ?? ofMachine())
/** Large type for a screen on a wall; nothing on it needs a hand. */
export const wall = signal(new URLSearchParams(location.search).has('wall') || kept(SIZE) === 'on')

let follows = chosen === undefined
day.addEventListener('change', () => {
  if (follows) theme.value = ofMachine()
})

export function setTheme(next: Theme): void {
  follows = false
  theme.value = next
  keep(COLOURS, next)
}

/** Day and night; from red light back to night. */
export const toggleTheme = (): void => setTheme(theme.peek() === 'night' ? 'day' : 'night')
export const toggleRed = (): void => setTheme(theme.peek() === 'red' ? 'night' : 'red')

export function toggleWall(): void {
  wall.value = !wall.peek()
  keep(SIZE, wall.peek() ? 'on' : 'off')
}

/** The map is drawn in canvases, which the style sheet can only blow up: they are made with so many more pixels. As in shell.css. */
const WALL_ZOOM = 1.7
const ofScreen = Object.getOwnPropertyDescriptor(window, 'devicePixelRatio')

function densify(on: boolean): void {
  if (!ofScreen?.get) return
  const real = ofScreen.get
  Object.defineProperty(window, 'devicePixelRatio', { ...ofScreen, configurable: true, get: () => real.call(window) * (on ? WALL_ZOOM : 1) })
}

export function startTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value
  })
  effect(() => densify(wall.value))
}
