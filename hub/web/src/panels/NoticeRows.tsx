/** Under the alarms: all-clears that wait for a second person, and security notices until somebody took them. */
import { signal } from '@preact/signals'
import { ask } from '../api/http'
import { clock, openNotices, pulse } from '../app/core'
import { openPane } from '../app/pane'
import { may, me } from '../app/session'
import { shownAllClears, signToo, standing } from '../command/command'
import type { AllClear, Notice } from '../feed/messages'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageText } from '../laws/words'
import { Trouble, Twice, useAct } from './acts'

const ROWS = 2
const all = signal(false)

export function NoticeRows() {
  const list = openNotices.value
  const rest = list.length - ROWS
  return (
    <section class={`notice-rows ${all.value ? 'all' : ''}`} aria-label={t('notice')}>
      {shownAllClears.value.map((one) => <AllClearRow key={one.id} one={one} />)}
      {(all.value ? list : list.slice(0, ROWS)).map((notice) => <NoticeRow key={notice.id} notice={notice} />)}
      {rest > 0 && (
        <button class="more" onClick={() => (all.value = !all.value)}>
          {all.value ? t('alarm_less') : `${t('notice')} · ${t('alarm_more', { n: rest })}`}
        </button>
      )}
    </section>
  )
}

/** A shield is security, as an octagon is a person in danger. */
export function Shield() {
  return (
    <svg class="sign sign-notice" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path class="solid" d="M10 1.2l7.3 2.6v5.4c0 4.8-3 7.9-7.3 9.6-4.3-1.7-7.3-4.8-7.3-9.6V3.8z" />
      <path class="cut" d="M10 5.5v5.2M10 13v1.8" />
    </svg>
  )
}

export function noticeWords({ reason, count }: Notice): string {
  const key = `notice_${reason}`
  return key in zh ? t(key as Key, { n: count }) : t('notice_other', { reason, n: count })
}

function NoticeRow({ notice }: { notice: Notice }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const { id, device, callsign, words, last_utc_ms, taken_by, reason } = notice
  return (
    <div class={`notice ${taken_by ? 'taken' : ''}`} data-testid="notice-row" data-reason={reason} data-device={device} data-taken-by={taken_by}>
      <Shield />
      {device > 0 && <strong class="name">{t('notice_device_name', { device })}{callsign && ` ${callsign}`}</strong>}
      <strong>{noticeWords(notice)}</strong>
      {words && <span class="team">{words}</span>}
      <span class="where">{t('ago', { age: ageText((clock.now() - last_utc_ms) / 1000) })}</span>
      {taken_by ? <span class="go">{t('notice_taken', { name: taken_by })}</span> : (
        <button class="go" disabled={busy.value} onClick={() => void run(() => ask('POST', `/notices/${id}/take`))}>{t('notice_take')}</button>
      )}
      <Trouble words={trouble} />
    </div>
  )
}

const targetWords = (target: string): string =>
  target === 'all' ? t('target_all') : target.startsWith('team:') ? t('target_team', { team: target.slice(5) }) : target

function AllClearRow({ one }: { one: AllClear }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const { state, by, break_glass, expires_utc_ms } = one
  const waits = state === 'proposed'
  const values = { target: targetWords(one.target), names: by.join('、'), why: break_glass ?? '' }
  const key: Key = waits ? 'all_clear_proposed' : state === 'expired' ? 'all_clear_expired' : break_glass === null ? 'all_clear_given' : 'all_clear_given_alone'
  const proposer = by[0] === me.value?.name
  return (
    <div class={`notice all-clear all-clear-${state}`} data-testid="all-clear-row" data-state={state} role="status">
      <svg class="sign" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><rect x="2" y="2" width="16" height="16" rx="3" class="line" /><path class="line" d="M5.5 10.5l3 3 6-7" /></svg>
      <strong class="words">{t(key, values)}</strong>
      {waits && <span class="where">{t('all_clear_left', { age: ageText((expires_utc_ms - clock.now()) / 1000) })}</span>}
      {waits && proposer && <span class="go">{t('sign_waits')}</span>}
      {waits && !proposer && may('all-clear') && (standing.value === 'ready'
        ? <Twice class="go main" data-testid="sign-too" disabled={busy.value} onSure={() => void run(() => signToo(one))}>{t('sign_too')}</Twice>
        : <button class="go" onClick={() => openPane('command')}>{t('all_clear_needs_key')}</button>)}
      <Trouble words={trouble} />
    </div>
  )
}

