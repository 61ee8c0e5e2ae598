/** The drawer of those who may order: begin and end a shift, hand command over, give the all-clear by two people. */
import { useSignal, signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { commanders, roster } from '../app/core'
import { openPane, pane } from '../app/pane'
import { may, me } from '../app/session'
import {
  asked, begin, end, handOver, HOURS_DEFAULT, listed, offers, PASSPHRASE_CHARS_MIN, propose, REASON_CHARS_MIN, refresh,
  standing, unlock,
} from '../command/command'
import { way, type Way } from '../command/keys'
import { t } from '../i18n'
import { clockText } from '../laws/words'
import { Entry, fields, Trouble, Twice, useAct } from './acts'
import { roleWords } from './roles'

const REFRESH_MS = 5_000
const keyWay = signal<Way | null>(null)
const short = (utcMs: number): string => clockText(utcMs).slice(0, 5)

/** In the bar: whether what this person signs is obeyed, and until when. */
export function CommandChip() {
  if (!may('order')) return null
  const now = standing.value
  const offer = offers.value[0]
  const words = offer ? t('key_chip_offered', { name: offer.name })
    : now === 'ready' ? t('key_chip_until', { t: short(listed.value!.until_utc_ms) })
      : now === 'locked' ? t('key_chip_locked') : now === 'elsewhere' ? t('key_chip_elsewhere') : t('key_chip_none')
  return (
    <button class={`key-chip key-${now} ${offer ? 'key-offered' : ''}`} data-testid="key-chip" data-state={now} aria-expanded={pane.value === 'command'}
      onClick={() => (pane.value === 'command' ? (pane.value = null) : openPane('command'))}>
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <circle cx="6.5" cy="10" r="4" class={now === 'ready' ? 'solid' : 'line'} /><path d="M10.5 10H18M15 10v4" class="line" />
      </svg>
      {offer ? null : <span>{t('key_chip')}</span>}
      <span>{words}</span>
    </button>
  )
}

export function CommandDrawer() {
  useEffect(() => {
    void way().then((found) => (keyWay.value = found))
    const again = (): void => void refresh().catch(() => undefined)
    again()
    const timer = setInterval(again, REFRESH_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <aside class="detail command" data-testid="command" aria-label={t('command')}>
      <div class="title">
        <h2>{t('command')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      {offers.value.map((key) => <Begin key={key.key_id} takesOver={key.key_id} from={key.name} />)}
      <Shift />
      {may('all-clear') && <AllClear />}
      {listed.value && <HandOver />}
      <Keys />
    </aside>
  )
}

function Shift() {
  const now = standing.value
  const { busy, trouble, run } = useAct()
  if (now === 'locked') return <Unlock />
  if (now !== 'ready') return offers.value.length > 0 ? null : <Begin />
  return (
    <section>
      <p class="shift" data-testid="shift">{t('shift_until', { t: short(listed.value!.until_utc_ms) })}</p>
      <Twice data-testid="shift-end" disabled={busy.value} onSure={() => void run(end)}>{t('shift_end')}</Twice>
      <Trouble words={trouble} />
    </section>
  )
}

function Begin({ takesOver, from }: { takesOver?: string; from?: string }) {
  const { busy, trouble, run } = useAct()
  if (keyWay.value === 'none') return <p class="warn">{t('shift_insecure')}</p>
  const wrapped = keyWay.value === 'wrapped'
  return (
    <form class="act" onSubmit={(event) => {
      const { hours = '', passphrase = '' } = fields(event)
      void run(() => begin(Number(hours), passphrase, takesOver))
    }}>
      {!takesOver && <p>{t(standing.value === 'elsewhere' ? 'shift_elsewhere' : 'shift_none')}</p>}
      <Entry name="shift_hours"><input name="hours" type="number" inputmode="numeric" min={1} max={24} required defaultValue={String(HOURS_DEFAULT)} /></Entry>
      {wrapped && <p class="hint">{t('passphrase_why')}</p>}
      {wrapped && <Entry name="passphrase"><input name="passphrase" type="password" autocomplete="new-password" minlength={PASSPHRASE_CHARS_MIN} required /></Entry>}
      <button class="main" data-testid={takesOver ? 'take-over' : 'shift-begin'} disabled={busy.value || keyWay.value === null}>
        {from ? t('take_over', { name: from }) : t('shift_begin')}
      </button>
      <Trouble words={trouble} />
    </form>
  )
}

function Unlock() {
  const { busy, trouble, run } = useAct()
  return (
    <form class="act" onSubmit={(event) => {
      const { passphrase = '' } = fields(event)
      void run(async () => { if (!(await unlock(passphrase))) trouble.value = t('passphrase_wrong') })
    }}>
      <Entry name="passphrase_unlock"><input name="passphrase" type="password" autocomplete="off" required /></Entry>
      <button class="main" data-testid="unlock" disabled={busy.value}>{t('unlock')}</button>
      <Trouble words={trouble} />
    </form>
  )
}

function AllClear() {
  const target = useSignal('all')
  const { busy, trouble, run } = useAct()
  const ready = standing.value === 'ready'
  const teams = [...new Set(roster.value.map(({ team }) => team))].filter((team) => team !== '').sort()
  return (
    <section class="act">
      <h3>{t('all_clear')}</h3>
      {!ready ? <p>{t('all_clear_needs_key')}</p> : (
        <>
          <p class="hint">{t('all_clear_help')}</p>
          <Entry name="all_clear_target">
            <select value={target.value} onChange={(event) => (target.value = event.currentTarget.value)}>
              <option value="all">{t('target_all')}</option>
              {teams.map((team) => <option key={team} value={`team:${team}`}>{t('target_team', { team })}</option>)}
            </select>
          </Entry>
          <Twice class="main" data-testid="all-clear-propose" disabled={busy.value} onSure={() => void run(() => propose(target.value, null))}>{t('all_clear_propose')}</Twice>
          <Trouble words={trouble} />
          <BreakGlass target={target.value} />
        </>
      )}
    </section>
  )
}

function BreakGlass({ target }: { target: string }) {
  const reason = useSignal('')
  const open = useSignal(false)
  const { busy, trouble, run } = useAct()
  const enough = [...reason.value.trim()].length >= REASON_CHARS_MIN
  const give = (): void => void run(async () => {
    await propose(target, reason.value.trim())
    reason.value = ''
    open.value = false
  })
  return (
    <details class="glass" open={open.value} onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary data-testid="break-glass">{t('break_glass')}</summary>
      <p class="warn">{t('break_glass_warn')}</p>
      <Entry name="break_glass_why"><textarea name="reason" rows={2} maxlength={500} value={reason.value} onInput={(event) => (reason.value = event.currentTarget.value)} /></Entry>
      <Twice data-testid="break-glass-do" disabled={busy.value || !enough} onSure={give}>{t('break_glass_do')}</Twice>
      <Trouble words={trouble} />
    </details>
  )
}

function HandOver() {
  const { busy, trouble, run } = useAct()
  const others = asked.value?.others ?? []
  const offered = listed.value?.offered_to
  return (
    <form class="act" onSubmit={(event) => {
      const { to = '' } = fields(event)
      void run(() => handOver(to))
    }}>
      <h3>{t('hand_over')}</h3>
      {offered && <p data-testid="offered">{t('hand_over_offered', { name: offered })}</p>}
      {others.length === 0 ? <p class="hint">{t('nobody_else')}</p> : (
        <div class="line">
          <Entry name="hand_over_to"><select name="to">{others.map((name) => <option key={name}>{name}</option>)}</select></Entry>
          <button data-testid="hand-over" disabled={busy.value}>{t('hand_over')}</button>
        </div>
      )}
      <Trouble words={trouble} />
    </form>
  )
}

function Keys() {
  const behind = asked.value?.behind
  const list = commanders.value.keys
  return (
    <section>
      <h3>{t('keys_now')}</h3>
      {list.length === 0 ? <p class="hint">{t('keys_none')}</p> : (
        <ul class="keys">
          {list.map((key) => (
            <li key={key.key_id} data-testid="key-row"><strong>{key.name}</strong>{key.name === me.value?.name && ' ✓'} <span>{roleWords(key.role)} · {t('until', { t: short(key.until_utc_ms) })}</span></li>
          ))}
        </ul>
      )}
      {behind !== undefined && list.length > 0 && <p class={behind > 0 ? 'warn' : 'hint'}>{behind > 0 ? t('behind', { n: behind }) : t('behind_none')}</p>}
    </section>
  )
}
