/** What this hub has: an older one, or one that leaves a room out, shows no board that could not be true. */
import { hello } from './core'
import { TABS, type Tab } from './pane'

const PART_OF: Record<Tab, string> = {
  air: 'entry', roll: 'rollcall', evacuation: 'evacuation', zones: 'zones', warnings: 'warnings', stations: 'stations', rules: 'rules', coverage: 'search',
}

export const has = (part: string): boolean => hello.value?.parts?.includes(part) ?? false
export const tabs = (): Tab[] => TABS.filter((name) => has(PART_OF[name]))
