/** The page's program: the one place where the real clock, socket and document meet. */
import { effect } from '@preact/signals'
import { render } from 'preact'
import { lang, t } from '../i18n'
import { App } from './App'
import { startBlink } from './blink'
import { counts, door, line, start } from './core'
import { startDetailFeed } from './detailFeed'
import { startDiagnostics } from './diagnostics'
import { startKeyboard } from './keyboard'
import { startOffline } from './offline'
import { startSettings } from './settings'
import { startSound } from './sound'
import { startCommand } from '../command/command'
import { enter } from './session'
import 'virtual:tokens.css'
import './style.css'
import './readiness.css'
import './safety.css'
import './boards.css'
import './ground.css'
import './shell.css'
import { startTheme } from './theme'
import { startTimeline } from './timeline'

startTheme()
effect(() => {
  document.documentElement.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
})
effect(() => {
  const { sos } = counts.value
  const cut = (door.value === 'in' && line.value === 'cut') || line.value === 'old' ? '✕ ' : ''
  document.title = `${cut}${sos > 0 ? `(SOS ${sos}) ` : ''}${t('app')}`
})

async function open(): Promise<void> {
  if (await enter()) start()
}

// A new link pasted into the tab of an old page changes the fragment only, and nothing would load.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#t=')) location.reload()
})

startSettings()
startDiagnostics()
startKeyboard()
startSound()
startBlink()
startCommand()
startDetailFeed()
startTimeline()
startOffline()
render(<App />, document.getElementById('app')!)
void open()
