/** Warnings of others and of ours, and drafts that stations suggest. The colour is a word too. */
import { useSignal } from '@preact/signals'
import { clock, pulse } from '../app/core'
import { drafts, warnings } from '../app/safety'
import { may } from '../app/session'
import { dismissDraft, endWarning, issueWarning } from '../api/safety'
import type { DraftMessage, WarningMessage } from '../feed/safety'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageText } from '../laws/words'
import { Entry, Trouble, Twice, useAct } from '../panels/acts'

const HOURS_DEFAULT = 6
const HOUR_MS = 3_600_000

const colourWords = (colour: string): string => (`colour_${colour}` in zh ? t(`colour_${colour}` as Key) : colour)
const said = (one: { zh: string; en: string }): string => (lang.value === 'zh' ? one.zh || one.en : one.en || one.zh)

export function Warnings() {
  const none = warnings.value.length + drafts.value.length === 0
  return (
    <div class="board">
      {drafts.value.map((one) => <Draft key={one.id} one={one} />)}
      {none ? <p class="hint none">{t('warnings_none')}</p> : warnings.value.map((one) => <Warning key={one.id} one={one} />)}
    </div>
  )
}

function Warning({ one }: { one: WarningMessage }) {
  void pulse.value
  const why = useSignal('')
  const { busy, trouble, run } = useAct()
  const leftS = one.until_utc_ms === null ? NaN : (one.until_utc_ms - clock.now()) / 1000
  return (
    <article class={`warning colour-${one.colour} ${leftS < 0 ? 'over' : ''}`} data-testid="warning" data-state={one.state}>
      <header><span class="colour">{colourWords(one.colour)}</span><h3>{said(one)}</h3></header>
      <p class="hint">{one.sender || one.source}{!Number.isNaN(leftS) && ` · ${leftS > 0 ? t('left', { age: ageText(leftS) }) : t('expired')}`}</p>
      {one.instruction && <p>{one.instruction}</p>}
      {one.not_understood.length > 0 && <p class="warn">{t('not_understood', { words: one.not_understood.join('、') })}</p>}
      {may('warnings') && (
        <div class="quick">
          <input class="wide-field" aria-label={t('reason')} placeholder={t('reason')} maxlength={200} value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
          <Twice data-testid="warning-end" disabled={busy.value || why.value.trim() === ''} onSure={() => void run(() => endWarning(one.id, why.value.trim()))}>{t('warning_cancel')}</Twice>
        </div>
      )}
      <Trouble words={trouble} />
    </article>
  )
}

/** Nothing issues itself: a person reads what it rests on, and gives it their name. */
function Draft({ one }: { one: DraftMessage }) {
  void pulse.value
  const hours = useSignal(String(HOURS_DEFAULT))
  const why = useSignal('')
  const { busy, trouble, run } = useAct()
  const issue = (): void => void run(() => issueWarning({
    colour: one.colour, event: said(one).slice(0, 100), zh: one.zh || one.en, en: one.en, draft: one.id,
    until_utc_ms: Math.round(clock.now() + Number(hours.value) * HOUR_MS),
    circle: { lon_deg: one.lon_deg, lat_deg: one.lat_deg, radius_m: Math.max(1, one.radius_m) },
  }))
  return (
    <article class={`warning draft colour-${one.colour}`} data-testid="warning-draft">
      <header><span class="colour">{colourWords(one.colour)}</span><h3>{said(one)}</h3><b class="says">{t('draft')}</b></header>
      <ul>{one.inputs.map((i) => <li key={`${i.station} ${i.quantity}`}>{i.station} {i.quantity} {i.value} {i.unit}{t('limit', { value: i.threshold })}{i.t !== null && <small> · {t('ago', { age: ageText((clock.now() - i.t) / 1000) })}</small>}</li>)}</ul>
      {may('warnings') && (
        <>
          <div class="line">
            <Entry name="valid_hours"><input type="number" min={1} max={72} value={hours.value} onInput={(event) => (hours.value = event.currentTarget.value)} /></Entry>
            <Twice class="main" data-testid="draft-issue" disabled={busy.value || !(Number(hours.value) > 0)} onSure={issue}>{t('issue')}</Twice>
          </div>
          <div class="quick">
            <input class="wide-field" aria-label={t('reason')} placeholder={t('reason')} maxlength={200} value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
            <Twice data-testid="draft-dismiss" disabled={busy.value || why.value.trim() === ''} onSure={() => void run(() => dismissDraft(one.id, why.value.trim()))}>{t('discard')}</Twice>
          </div>
        </>
      )}
      <Trouble words={trouble} />
    </article>
  )
}
