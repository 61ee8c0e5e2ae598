/**
 * Everything that can be done with the keyboard, as one table: the keys, the palette and the help read it.
 *
 * A new command is a line here and its two words. `key` is `KeyboardEvent.key` without Shift's say; one key is one
 * command. `inFields`: works while somebody types.
 */
import { answerTop } from './alarmActs'
import { openAlarms, roster, select, selectedId, store } from './core'
import { drawing, stopDrawing } from './drawing'
import { listOpen, query, searchBox } from './listState'
import { toggleMapWindow } from './ground'
import { stepBack, toggleFollow, toggleRings } from './mapState'
import { openPane, pane, togglePane } from './pane'
import { tabs } from './parts'
import { closePalette, openPalette, paletteOpen } from './palette'
import { may } from './session'
import { showAll, showUnit } from './show'
import { testTones } from './sound'
import { toggleRed, toggleTheme, toggleWall } from './theme'
import { backToLive, faster, replaying, rewind, step, togglePlay } from './timeline'
import { lang, setLang, type Key } from '../i18n'
import { RANK } from '../laws/order'

export interface Command {
  id: string
  name: Key
  key?: string
  /** With Ctrl, or Command on a Mac. */
  ctrl?: true
  inFields?: true
  when?: () => boolean
  /** false: there was nothing to do, the key is left to the browser. */
  run: () => unknown
}

export const COMMANDS: readonly Command[] = [
  { id: 'palette', name: 'cmd_palette', key: 'k', ctrl: true, inFields: true, run: () => (paletteOpen.peek() ? closePalette() : openPalette()) },
  { id: 'search', name: 'cmd_search', key: '/', run: search },
  { id: 'answer', name: 'cmd_answer', key: ' ', run: answerTop },
  { id: 'next-danger', name: 'cmd_next_danger', key: 'n', run: nextInDanger },
  { id: 'alarms', name: 'cmd_alarms', key: 'a', run: () => togglePane('alarms') },
  { id: 'orders', name: 'cmd_orders', key: 'o', run: () => togglePane('orders') },
  { id: 'safety', name: 'cmd_safety', key: 's', when: () => tabs().length > 0, run: () => togglePane('safety') },
  { id: 'links', name: 'links_board', key: 'k', run: () => togglePane('links') },
  { id: 'command', name: 'cmd_command', key: 'c', when: () => may('order'), run: () => togglePane('command') },
  { id: 'follow', name: 'cmd_follow', key: 'f', run: toggleFollow },
  { id: 'rings', name: 'cmd_rings', key: 'q', run: toggleRings },
  { id: 'map', name: 'cmd_map', key: 'm', run: toggleMapWindow },
  { id: 'all', name: 'cmd_all', key: '0', run: showAll },
  { id: 'rewind', name: 'cmd_rewind', key: '[', run: () => rewind() },
  { id: 'forward', name: 'cmd_forward', key: ']', run: () => rewind(30_000) },
  { id: 'step-back', name: 'cmd_step_back', key: ',', run: () => step(-1) },
  { id: 'step-on', name: 'cmd_step_on', key: '.', when: () => replaying.value, run: () => step(1) },
  { id: 'play', name: 'cmd_play', key: 'p', when: () => replaying.value, run: togglePlay },
  { id: 'slower', name: 'cmd_slower', key: '-', when: () => replaying.value, run: () => faster(-1) },
  { id: 'faster', name: 'cmd_faster', key: '=', when: () => replaying.value, run: () => faster(1) },
  { id: 'live', name: 'cmd_live', key: 'End', when: () => replaying.value, run: backToLive },
  { id: 'theme', name: 'cmd_theme', key: 'd', run: toggleTheme },
  { id: 'red', name: 'cmd_red', key: 'r', run: toggleRed },
  { id: 'wall', name: 'cmd_wall', key: 'w', run: toggleWall },
  { id: 'lang', name: 'cmd_lang', key: 'l', run: () => setLang(lang.value === 'zh' ? 'en' : 'zh') },
  { id: 'sound-test', name: 'cmd_sound_test', run: testTones },
  { id: 'settings', name: 'cmd_settings', key: 'g', run: () => togglePane('settings') },
  { id: 'admin', name: 'cmd_admin', run: () => openPane('admin', may('devices') ? 'devices' : 'sessions') },
  { id: 'help', name: 'cmd_help', key: '?', run: () => togglePane('help') },
  { id: 'close', name: 'cmd_close', key: 'Escape', inFields: true, run: escape },
]

function search(): void {
  listOpen.value = true
  searchBox.current?.focus()
  searchBox.current?.select()
}

/** First what lies over the map, then the search, then the selection, then the past: one key, one step back. */
function escape(): void {
  if (paletteOpen.peek()) closePalette()
  else if (drawing.value) stopDrawing()
  else if (pane.value !== null) pane.value = null
  else if (query.value !== '') query.value = ''
  else if (document.activeElement === searchBox.current) searchBox.current?.blur()
  else if (stepBack()) return
  else if (selectedId.peek() !== null) select(null)
  else backToLive()
}

/** From one in danger to the next: those of the strip first, then whoever else has a flag. */
function nextInDanger(): void {
  const ofAlarms = openAlarms.peek().filter(({ priority }) => priority === 1).flatMap(({ slots }) => slots).map((slot) => store.meta(slot)?.id)
  const ofPicture = roster.peek().filter(({ state }) => RANK[state] <= RANK.mandown).map(({ id }) => id)
  const ids = [...new Set([...ofAlarms, ...ofPicture])].filter((id) => id !== undefined)
  if (ids.length > 0) showUnit(ids[(ids.indexOf(selectedId.peek() ?? '') + 1) % ids.length]!)
}
