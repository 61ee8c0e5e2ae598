/** Keys that work everywhere; those of the list are the list's own. */
import { select } from './core'
import { query, searchBox } from './listState'
import { openPane, pane } from './pane'
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
    } else if (event.key.toLowerCase() === 'o') pane.value === 'orders' ? (pane.value = null) : openPane('orders')
    else if (event.key.toLowerCase() === 'l') setLang(lang.value === 'zh' ? 'en' : 'zh')
    else if (event.key.toLowerCase() === 'd') toggleTheme()
  })
}

/** First what lies over the map, then the search, then the selection: one key, one step back. */
function escape(): void {
  if (pane.value !== null) pane.value = null
  else if (query.value !== '') query.value = ''
  else if (document.activeElement === searchBox.current) searchBox.current?.blur()
  else select(null)
}
