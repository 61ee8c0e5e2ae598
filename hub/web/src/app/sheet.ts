/** The phone: which tab is open, and how high its sheet stands over the map. */
import { computed, signal } from '@preact/signals'
import { listOpen } from './listState'
import { openPane, pane } from './pane'
import { select, selectedId } from './core'

export const HEIGHTS = ['low', 'half', 'full'] as const
export type Height = (typeof HEIGHTS)[number]
/** Shares of what is between alarms and tab bar. */
export const SHARES: Record<Height, number> = { low: 0.3, half: 0.56, full: 0.94 }

export const height = signal<Height>('half')
/** While a finger holds it: its share; NaN otherwise. */
export const held = signal(NaN)

export const PHONE_TABS = ['map', 'alarms', 'people', 'more'] as const
export type PhoneTab = (typeof PHONE_TABS)[number]

export const phoneTab = computed<PhoneTab>(() => {
  if (pane.value === 'alarms') return 'alarms'
  if (pane.value !== null) return 'more'
  return listOpen.value || selectedId.value !== null ? 'people' : 'map'
})

/** "Map" closes whatever stands over it; "people" goes from a unit back to the list. */
export function openTab(which: PhoneTab): void {
  height.value = 'half'
  if (which === 'alarms' || which === 'more') return openPane(which)
  pane.value = null
  select(null)
  listOpen.value = which === 'people'
}

/** The height nearest to where the finger let go; below the lowest it closes. */
export function letGo(share: number): void {
  held.value = NaN
  if (share < SHARES.low / 2) return openTab('map')
  height.value = HEIGHTS.reduce((best, one) => (Math.abs(SHARES[one] - share) < Math.abs(SHARES[best] - share) ? one : best))
}

/** For who cannot drag: the next height, and round again. */
export function nextHeight(): void {
  height.value = HEIGHTS[(HEIGHTS.indexOf(height.peek()) + 1) % HEIGHTS.length]!
}
