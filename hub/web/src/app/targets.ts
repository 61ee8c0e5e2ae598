/**
 * To whom the next order goes: everybody, a team, or units that were clicked one by one.
 *
 * It stays while the drawer is closed, and is shown with its count beside every button that gives an order.
 */
import { computed, signal } from '@preact/signals'
import { roster } from './core'
import { me } from './session'

export type Scope = { of: 'all' } | { of: 'team'; team: string } | { of: 'units' }

export const scope = signal<Scope>({ of: 'all' })
export const chosen = signal<string[]>([])

/** As the hub wants it; "" when nobody is meant. */
export const target = computed<string>(() => {
  const now = scope.value
  if (now.of === 'team') return `team:${now.team}`
  if (now.of === 'all') return 'all'
  return chosen.value.length > 1 ? `units:${chosen.value.join(',')}` : (chosen.value[0] ?? '')
})

/** A leader speaks to the own team only; the hub says the same. */
export const onlyTeam = computed<string | null>(() => (me.value?.role === 'team-leader' ? me.value.team : null))
export const ours = computed(() => roster.value.filter(({ reported, team }) => !reported && (onlyTeam.value === null || team === onlyTeam.value)))
export const teams = computed(() => [...new Set(ours.value.map(({ team }) => team))].filter((team) => team !== '').sort((a, b) => a.localeCompare(b, 'zh', { numeric: true })))

export const count = computed<number>(() => {
  const now = scope.value
  if (now.of === 'units') return chosen.value.length
  return ours.value.filter(({ team }) => now.of === 'all' || team === now.team).length
})

/** One more, or one less. */
export function choose(id: string): void {
  if (!ours.peek().some((unit) => unit.id === id)) return
  const before = scope.peek().of === 'units' ? chosen.peek() : []
  scope.value = { of: 'units' }
  chosen.value = before.includes(id) ? before.filter((one) => one !== id) : [...before, id]
}

/** Only this unit, as from its own drawer. */
export function aimAt(id: string): void {
  scope.value = { of: 'units' }
  chosen.value = [id]
}

export function aim(next: Scope): void {
  scope.value = next
  if (next.of !== 'units') chosen.value = []
}
