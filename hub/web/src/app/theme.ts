/** Night unless the machine asks for day; what a person chose is remembered. */
import { signal } from '@preact/signals'
import type { Theme } from '../map/ground'

const REMEMBERED = 'zhantu.theme'

function first(): Theme {
  try {
    const chosen = localStorage.getItem(REMEMBERED)
    if (chosen === 'night' || chosen === 'day') return chosen
  } catch {
    // A browser that forbids storage follows the machine's setting.
  }
  return matchMedia('(prefers-color-scheme: light)').matches ? 'day' : 'night'
}

export const theme = signal<Theme>(first())

export function toggleTheme(): void {
  theme.value = theme.value === 'night' ? 'day' : 'night'
  try {
    localStorage.setItem(REMEMBERED, theme.value)
  } catch {
    // As above.
  }
}
