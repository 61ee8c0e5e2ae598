/** What stands beside or over the map: the drawer of command or of orders, or the administration. Alarms stay above either. */
import { signal } from '@preact/signals'
import { listOpen } from './listState'

export const PAGES = ['devices', 'people', 'sessions', 'tokens', 'audit'] as const
export type Page = (typeof PAGES)[number]

export const pane = signal<null | 'command' | 'orders' | 'admin'>(null)
export const page = signal<Page>('sessions')

export function openPane(which: 'command' | 'orders' | 'admin', at?: Page): void {
  if (at) page.value = at
  pane.value = which
  listOpen.value = false
}
