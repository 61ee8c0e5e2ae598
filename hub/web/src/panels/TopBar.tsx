/** The bar that answers in two seconds: is this live, and how many are not well. */
import { signal } from '@preact/signals'
import { clock, counts, hello, line, link, onlineWord, pulse, silentS } from '../app/core'
import { openPane, pane, togglePane } from '../app/pane'
import { leave, may, session } from '../app/session'
import { theme, toggleTheme } from '../app/theme'
import { leaveCommand } from '../command/command'
import { lang, setLang, t } from '../i18n'
import { clockText } from '../laws/words'
import { AlarmsChip } from './AlarmsDrawer'
import { CommandChip } from './CommandDrawer'
import { OrdersChip } from './OrdersDrawer'
import { SafetyChip } from './SafetyChip'
import { StateSign } from './signs'

/** A broker that is connected and brings nothing for so long may be hanging. */
const QUIET_S = 8

export function TopBar() {
  return (
    <header class="topbar">
      <h1>{t('app')}</h1>
      <Realm />
      <Live />
      <HubTime />
      <Broker />
      <CommandChip />
      <OrdersChip />
      <AlarmsChip />
      <SafetyChip />
      <button class="key-chip" data-testid="links-chip" title={t('links_key')} aria-expanded={pane.value === 'links'} onClick={() => togglePane('links')}>{t('links_board')}</button>
      <Counts />
      <Switches />
    </header>
  )
}

function Realm() {
  const realm = hello.value?.realm ?? session.value?.realm ?? ''
  const drill = hello.value?.drill ?? session.value?.drill ?? false
  if (drill) return <strong class="drill">{t('drill')}<small>{realm}</small></strong>
  return realm ? <span class="realm">{t('realm', { realm })}</span> : null
}

function Live() {
  const state = line.value
  return (
    <span class={`live live-${state}`} data-testid="live-state" data-state={state} role="status">
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        {state === 'live' && <circle cx="10" cy="10" r="7" class="solid" />}
        {state === 'cut' && <path d="M4 4l12 12M16 4L4 16" class="line" />}
        {state === 'first' && <circle cx="10" cy="10" r="7" class="line" stroke-dasharray="3 3" />}
      </svg>
      {state === 'live' ? t('live') : state === 'cut' ? t('cut', { s: silentS.value }) : t('connecting')}
    </span>
  )
}

function HubTime() {
  void pulse.value
  return <span class="clock" title={t('hub_clock')} aria-label={t('hub_clock')}>{clockText(clock.now())}</span>
}

function Broker() {
  const state = link.value
  void pulse.value
  // What the broker did while nobody told us is not known.
  if (!state || line.value !== 'live') return null
  const quietS = Math.floor((clock.now() - (state.t_heard ?? NaN)) / 1000)
  if (state.broker && quietS > QUIET_S) return <span class="broker bad">{t('data_quiet', { s: quietS })}</span>
  return (
    <span class={`broker ${state.broker ? 'ok' : 'bad'}`}>
      {state.broker ? t('broker_ok') : t('broker_cut')}
      {state.refused > 0 && <b> · {t('refused', { n: state.refused })}</b>}
    </span>
  )
}

function Counts() {
  const { online, stale, lost, sos } = counts.value
  return (
    <div class={`counts ${line.value === 'live' ? '' : 'old'}`}>
      <span class={`count count-sos ${sos > 0 ? 'on' : ''}`}><StateSign state="sos" />{t('sos_short')} <b data-testid="count-sos">{sos}</b></span>
      <span class={`count count-lost ${lost > 0 ? 'on' : ''}`}><StateSign state="lost" />{t('lost')} <b data-testid="count-lost">{lost}</b></span>
      <span class={`count count-stale ${stale > 0 ? 'on' : ''}`}><StateSign state="stale" />{t('stale')} <b data-testid="count-stale">{stale}</b></span>
      <span class="count count-online"><StateSign state="online" />{t(onlineWord())} <b data-testid="count-online">{online}</b></span>
    </div>
  )
}

/** Signing out ends a commander's shift too, and may cost a new link from the hub, so it takes two clicks. */
const leaving = signal(false)

function signOutClicked(): void {
  if (leaving.value) void leaveCommand().then(leave)
  leaving.value = true
  setTimeout(() => (leaving.value = false), 4_000)
}

function Switches() {
  const name = hello.value?.name ?? session.value?.name ?? ''
  return (
    <div class="switches">
      {name && <span class="who" title={t('signed_in_as', { name })}>{name}</span>}
      {name && <AdminButton />}
      {name && <button class={leaving.value ? 'sure' : ''} data-testid="sign-out" onClick={signOutClicked}>{leaving.value ? t('sign_out_sure') : t('sign_out')}</button>}
      <button data-testid="theme-switch" title={t('theme_switch')} onClick={toggleTheme}>{theme.value === 'night' ? t('to_day') : t('to_night')}</button>
      <button data-testid="lang-switch" title={t('lang_switch')} lang={lang.value === 'zh' ? 'en' : 'zh-CN'} onClick={() => setLang(lang.value === 'zh' ? 'en' : 'zh')}>{t('to_en')}</button>
    </div>
  )
}

/** Everybody has an account to look after; some have devices and people. */
function AdminButton() {
  const open = pane.value === 'admin'
  const first = may('devices') ? 'devices' : may('people') ? 'people' : may('audit') ? 'audit' : null
  return (
    <button data-testid="admin-button" aria-expanded={open} onClick={() => (open ? (pane.value = null) : openPane('admin', first ?? 'sessions'))}>
      {t(first ? 'admin' : 'account')}
    </button>
  )
}
