/**
 * The bar that answers in two seconds: is this live, of which moment, how good is the link, and how many are not well.
 *
 * From the left: where (realm, drill), what moment (live, replay, the hub's clock), the link in words; the counts; who
 * sits here. What can be opened stands in the rail at the right.
 */
import { signal } from '@preact/signals'
import { clock, counts, hello, line, oldPicture, onlineWord, pulse, silentS } from '../app/core'
import { openPane, pane, togglePane } from '../app/pane'
import { leave, may, me, session } from '../app/session'
import { theme, toggleTheme } from '../app/theme'
import { compact, phone } from '../app/size'
import { pastBeat, pastT, replaying } from '../app/timeline'
import { leaveCommand } from '../command/command'
import { lang, setLang, t } from '../i18n'
import { ageText, clockText } from '../laws/words'
import { Icon } from './icons'
import { LinkWords } from './LinkWords'
import { roleWords } from './roles'
import { StateSign } from './signs'

export function TopBar() {
  return (
    <header class="topbar" aria-label={t('bar_label')}>
      <h1>{t('app')}</h1>
      <Realm />
      <Past />
      <Live />
      <HubTime />
      <LinkWords />
      <Counts />
      {!phone.value && <div class="switches">{!compact.value && <Account />}<Looks /></div>}
    </header>
  )
}

function Realm() {
  const realm = hello.value?.realm ?? session.value?.realm ?? oldPicture.value?.realm ?? ''
  const drill = hello.value?.drill ?? session.value?.drill ?? oldPicture.value?.drill ?? false
  if (drill) return <strong class="drill">{t('drill')}<small>{realm}</small></strong>
  return realm ? <span class="realm">{t('realm', { realm })}</span> : null
}

/** The map shows a moment that is over; the line beside it says how the link is now. */
function Past() {
  if (!replaying.value) return null
  void pastBeat.value
  const at = pastT()
  return <strong class="past-chip" data-testid="replay-chip">{t('replay')} {clockText(at)} · −{ageText((clock.now() - at) / 1000)}</strong>
}

function Live() {
  const state = line.value
  const words = { live: t('live'), cut: t('cut', { s: silentS.value }), first: t('connecting'), paused: t('paused'), old: t('old_picture') }
  return (
    <span class={`live live-${state}`} data-testid="live-state" data-state={state} role="status">
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        {state === 'live' && <circle cx="10" cy="10" r="7" class="solid" />}
        {(state === 'cut' || state === 'old') && <path d="M4 4l12 12M16 4L4 16" class="line" />}
        {state === 'first' && <circle cx="10" cy="10" r="7" class="line" stroke-dasharray="3 3" />}
        {state === 'paused' && <path d="M7 4v12M13 4v12" class="line" />}
      </svg>
      {words[state]}
    </span>
  )
}

function HubTime() {
  void pulse.value
  return <span class="clock" title={t('hub_clock')}><span class="spoken">{t('hub_clock')} </span>{clockText(clock.now())}</span>
}

export function Counts() {
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

/** Who sits here, as what, and the way out. Where the bar has no room it stands in the settings. */
export function Account() {
  const name = hello.value?.name ?? session.value?.name ?? ''
  if (!name) return null
  return (
    <>
      <span class="who" title={t('signed_in_as', { name })}>{name}<small>{me.value && roleWords(me.value.role)}</small></span>
      <AdminButton />
      <button class={leaving.value ? 'sure' : ''} data-testid="sign-out" onClick={signOutClicked}>{leaving.value ? t('sign_out_sure') : t('sign_out')}</button>
    </>
  )
}

function Looks() {
  const toDay = theme.value === 'night'
  const themeWords = `${t('theme_switch')}：${t(toDay ? 'to_day' : 'to_night')}`
  return (
    <>
      <button class="square" data-testid="theme-switch" title={themeWords} aria-label={themeWords} onClick={toggleTheme}><Icon name={toDay ? 'sun' : 'moon'} /></button>
      <button class="square" data-testid="lang-switch" title={t('lang_switch')} lang={lang.value === 'zh' ? 'en' : 'zh-CN'} onClick={() => setLang(lang.value === 'zh' ? 'en' : 'zh')}>{lang.value === 'zh' ? 'EN' : '中'}<span class="spoken"> {t('to_en')}</span></button>
      <button class="square" data-testid="settings-button" title={`${t('settings')}（G）`} aria-label={t('settings')} aria-expanded={pane.value === 'settings'} onClick={() => togglePane('settings')}><Icon name="gear" /></button>
    </>
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
