/** All alarms: those that are open, those put aside, and what was; how well the alarms do; shelve, close, sound. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask } from '../api/http'
import { closeAlarm, shelve, unshelve } from '../app/alarmActs'
import { clock, openAlarms, pulse } from '../app/core'
import { pane, togglePane } from '../app/pane'
import { health } from '../app/safety'
import { may } from '../app/session'
import { maySound, testTones, wake } from '../app/sound'
import { decodeAlarm } from '../feed/decodeSafety'
import { isRecord, maps } from '../feed/raw'
import { lang, t } from '../i18n'
import { isAnswered, isShelved, type Shown } from '../laws/alarms'
import { ageText, clockText } from '../laws/words'
import { Entry, fields, Trouble, Twice, useAct } from './acts'
import { Answer } from './AlarmRow'
import { adviceOf, namesOf, sinceText, wordsOf } from './alarmWords'
import { PrioritySign } from './signs'

const PAST_SHOWN = 100

/** In the bar: how many call, and whether there are too many. */
export function AlarmsChip() {
  const now = clock.now()
  const calling = openAlarms.value.filter((alarm) => !isAnswered(alarm) && !isShelved(alarm, now)).length
  return (
    <button class={`key-chip alarms-chip ${calling > 0 ? 'under-way' : ''}`} data-testid="alarms-chip" title={t('alarms_key')} aria-expanded={pane.value === 'alarms'} onClick={() => togglePane('alarms')}>
      {t('alarms')} <b>{calling}/{openAlarms.value.length}</b>{!maySound.value && <span class="mute">{t('mute')}</span>}
    </button>
  )
}

export function AlarmsDrawer() {
  const past = useSignal<Shown[] | null>(null)
  const shown = useSignal<'open' | 'past'>('open')
  const { trouble, run } = useAct()
  const askPast = (): void => void run(async () => {
    shown.value = 'past'
    const said = await ask<unknown>('GET', `/alarms?open=false&limit=${PAST_SHOWN}`)
    const list = isRecord(said) ? maps(said.alarms ?? said.items) : []
    past.value = list.map((m) => ({ ...decodeAlarm(m), events: [], told: true })).filter(({ open }) => !open)
  })
  return (
    <aside class="detail alarms-drawer" data-testid="alarms-drawer" aria-label={t('alarms')}>
      <div class="title">
        <h2>{t('alarms')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <Health />
      <Sound />
      <div class="tabs" role="group">
        <button aria-current={shown.value === 'open' ? 'true' : undefined} onClick={() => (shown.value = 'open')}>{t('alarms_open')} {openAlarms.value.length}</button>
        <button data-testid="alarms-past" aria-current={shown.value === 'past' ? 'true' : undefined} onClick={askPast}>{t('alarms_past')}</button>
      </div>
      <Trouble words={trouble} />
      <List of={shown.value === 'open' ? openAlarms.value : (past.value ?? [])} />
    </aside>
  )
}

function List({ of }: { of: Shown[] }) {
  if (of.length === 0) return <p class="hint none">{t('alarms_none')}</p>
  return <div class="alarm-list">{of.map((alarm) => <Card key={alarm.id} alarm={alarm} />)}</div>
}

function Health() {
  const said = health.value
  if (!said) return <p class="hint" data-testid="alarm-health">{t('health_none')}</p>
  const callout = said.callout
  return (
    <div class="alarm-health" data-testid="alarm-health">
      {said.flood && <p class="flood" role="status" data-testid="flood">{t('flood', { n: said.in_10_min })}</p>}
      <p>{t('health', { n: said.in_10_min, waiting: said.unacknowledged, shelved: said.shelved })}</p>
      <p class={said.screens_silent > 0 ? 'warn' : ''}>{t('screens', { n: said.screens, silent: said.screens_silent })}</p>
      {callout && <p class={callout.ok ? '' : 'warn'}>{lang.value === 'zh' ? callout.words_zh : callout.words_en}</p>}
    </div>
  )
}

function Sound() {
  return (
    <div class="sound">
      {maySound.value ? <span data-testid="may-sound">{t('sound_on')}</span> : <button class="no-sound" data-testid="sound-wake" onClick={wake}>{t('sound_off')}</button>}
      <button data-testid="sound-test" onClick={testTones}>{t('sound_test')}</button>
    </div>
  )
}

function Card({ alarm }: { alarm: Shown }) {
  void pulse.value
  const open = useSignal(false)
  const now = clock.now()
  const shelved = isShelved(alarm, now)
  const advice = adviceOf(alarm)
  return (
    <article class={`alarm-card priority-${alarm.priority} ${alarm.open && !isAnswered(alarm) ? '' : 'seen'}`} data-testid="alarm-card" data-alarm-id={alarm.id} data-state={alarm.state}>
      <button class="alarm-head" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <PrioritySign priority={alarm.priority} />
        <strong>{wordsOf(alarm)} {namesOf(alarm)}</strong>
        <span class="when">{sinceText(alarm, now)}{alarm.count > 1 && ` · ${t('times', { n: alarm.count })}`}</span>
      </button>
      {shelved && <p class="warn">{t('shelved_by', { name: alarm.shelved!.by, left: ageText((alarm.shelved!.until - now) / 1000), why: alarm.shelved!.why })}</p>}
      {alarm.t_cleared !== null && <p class="hint">{t('cleared_at', { t: clockText(alarm.t_cleared) })}</p>}
      {advice && <p class="advice">{t('advice')} {advice}</p>}
      {alarm.open && <Answer alarm={alarm} />}
      {open.value && <More alarm={alarm} shelved={shelved} />}
    </article>
  )
}

function More({ alarm, shelved }: { alarm: Shown; shelved: boolean }) {
  const { busy, trouble, run } = useAct()
  const why = useSignal('')
  useEffect(() => () => void (why.value = ''), [])
  const acts = alarm.told && alarm.open && may('shelve')
  return (
    <div class="more">
      {alarm.why.length > 0 && <ul>{alarm.why.map((w) => <li key={w.name}>{w.name} {w.value} {w.unit}{w.t !== null && <small> · {clockText(w.t)}</small>}</li>)}</ul>}
      {acts && alarm.priority > 1 && !shelved && (
        <form class="act line" onSubmit={(event) => {
          const { minutes = '', reason = '' } = fields(event)
          void run(() => shelve(alarm.id, Number(minutes), reason))
        }}>
          <Entry name="shelve_minutes"><input name="minutes" type="number" min={1} max={240} required defaultValue="15" /></Entry>
          <Entry name="reason"><input name="reason" required maxlength={200} /></Entry>
          <button data-testid="shelve" disabled={busy.value}>{t('shelve')}</button>
        </form>
      )}
      {acts && shelved && <button data-testid="unshelve" disabled={busy.value} onClick={() => void run(() => unshelve(alarm.id))}>{t('unshelve')}</button>}
      {acts && (
        <div class="line">
          <Entry name="reason"><input value={why.value} maxlength={200} onInput={(event) => (why.value = event.currentTarget.value)} /></Entry>
          <Twice data-testid="alarm-close" disabled={busy.value || why.value.trim() === ''} onSure={() => void run(() => closeAlarm(alarm.id, why.value.trim()))}>{t('alarm_close')}</Twice>
        </div>
      )}
      <Trouble words={trouble} />
    </div>
  )
}
