/** Keys that work everywhere; those of the list are the list's own. */
import { select } from './core'
import { query, searchBox } from './listState'
import { answerTop } from './alarmActs'
import { drawing, stopDrawing, undoPoint } from './drawing'
import { stepBack, toggleFollow, toggleRings } from './mapState'
import { pane, togglePane } from './pane'
import { tabs } from './parts'
import { lang, setLang } from '../i18n'
import { toggleTheme } from './theme'

export function startKeyboard(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (event.key === 'Escape') return escape()
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.target instanceof HTMLTextAreaElement) return
    if (event.key === '/') {
      event.preventDefault()
      searchBox.current?.focus()
      searchBox.current?.select()
    } else if (event.key === ' ') answer(event)
    else if (event.key === 'Backspace' && drawing.value) undoPoint()
    else if (event.key.toLowerCase() === 'o') togglePane('orders')
    else if (event.key.toLowerCase() === 'a') togglePane('alarms')
    else if (event.key.toLowerCase() === 's' && tabs().length > 0) togglePane('safety')
    else if (event.key.toLowerCase() === 'l') setLang(lang.value === 'zh' ? 'en' : 'zh')
    else if (event.key.toLowerCase() === 'd') toggleTheme()
    else if (event.key.toLowerCase() === 'f') toggleFollow()
    else if (event.key.toLowerCase() === 'r') toggleRings()
  })
}

/** Who came to a button by the keyboard means that button; after a click the key is free for the alarm. */
function answer(event: KeyboardEvent): void {
  const { target } = event
  if (target instanceof HTMLElement && target !== document.body && target.matches(':focus-visible')) return
  if (answerTop()) event.preventDefault()
}

/** First what lies over the map, then the search, then the selection: one key, one step back. */
function escape(): void {
  if (drawing.value) stopDrawing()
  else if (pane.value !== null) pane.value = null
  else if (query.value !== '') query.value = ''
  else if (document.activeElement === searchBox.current) searchBox.current?.blur()
  else if (!stepBack()) select(null)
}
