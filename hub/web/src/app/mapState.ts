/**
 * What a commander marked on the map, and what the map is to do: signals that the map draws and that panels read.
 *
 * `selection` is several units marked together; `orderThem` makes them the target of the next order.
 */
import { computed, signal } from '@preact/signals'
import type { OrderTarget } from '../feed/messages'
import type { Graphics } from '../map/overlay'
import { orders, clock, pulse, selectedId } from './core'
import { pane } from './pane'
import { chosen, ours, scope } from './targets'

/** What the map draws: the live picture, or that of a rewind. */
export { livePicture, source as picture } from './timeline'

export const selection = signal<ReadonlySet<string>>(new Set())
/** The unit that stays in the middle, until a hand pulls the map. */
export const following = signal<string | null>(null)
export const rings = signal(false)
export const graphics = signal<Graphics>('gl')
/** Under the pointer, with the pointer's place on the map, px. */
export const hovered = signal<{ slot: number; x: number; y: number } | null>(null)

const SETTLED: ReadonlySet<OrderTarget['state']> = new Set<OrderTarget['state']>(['done', 'refused', 'expired', 'lifted', 'no_device'])

/** Units that have a task which is not done, by id. */
export const tasked = computed<ReadonlySet<string>>(() => {
  void pulse.value
  const now = clock.now()
  const open = orders.value.filter(({ type, expires_utc_ms }) => type === 'task' && expires_utc_ms > now)
  return new Set(open.flatMap(({ targets }) => targets.filter(({ state }) => !SETTLED.has(state)).map(({ unit }) => unit)))
})

export function toggleSelected(id: string): void {
  const next = new Set(selection.peek())
  if (!next.delete(id)) next.add(id)
  selection.value = next
}

export function addSelected(ids: Iterable<string>): void {
  selection.value = new Set([...selection.peek(), ...ids])
}

/** Only units of ours can be told anything: others are left out. */
export function orderThem(): void {
  chosen.value = ours.peek().filter(({ id }) => selection.peek().has(id)).map(({ id }) => id)
  scope.value = { of: 'units' }
  pane.value = 'orders'
}

export function toggleFollow(): void {
  following.value = following.peek() === null ? selectedId.peek() : null
}

export function toggleRings(): void {
  rings.value = !rings.peek()
}

let closeFan: () => boolean = () => false

/** The map says how its fan is closed, once it stands. */
export function setCloseFan(how: typeof closeFan): void {
  closeFan = how
}

/** One step back on the map; false when there is none. */
export function stepBack(): boolean {
  if (closeFan()) return true
  if (following.peek() !== null) following.value = null
  else if (selection.peek().size > 0) selection.value = new Set()
  else return false
  return true
}
