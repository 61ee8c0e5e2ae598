/** What stands beside or over the map: the drawer of command, orders, alarms, safety, settings or help, or the administration. Alarms stay above either. */
import { signal } from '@preact/signals'
import { listOpen } from './listState'

export const PAGES = ['devices', 'people', 'sessions', 'tokens', 'audit'] as const
export type Page = (typeof PAGES)[number]

export const TABS = ['air', 'roll', 'evacuation', 'zones', 'warnings', 'stations', 'rules', 'coverage'] as const
/** A tab of the safety drawer. */
export type Tab = (typeof TABS)[number]
export type Pane = 'command' | 'orders' | 'alarms' | 'safety' | 'links' | 'settings' | 'help' | 'more' | 'admin'

export const pane = signal<null | Pane>(null)
export const tab = signal<Tab>('air')
export const page = signal<Page>('sessions')

export function openPane(which: Pane, at?: Page | Tab): void {
  const isTab = (word: Page | Tab): word is Tab => (TABS as readonly string[]).includes(word)
  if (at) isTab(at) ? (tab.value = at) : (page.value = at)
  pane.value = which
  listOpen.value = false
}

/** A key or a chip in the bar: opens it, or closes it when it is open. */
export function togglePane(which: Pane, at?: Page | Tab): void {
  pane.value === which ? (pane.value = null) : openPane(which, at)
}
