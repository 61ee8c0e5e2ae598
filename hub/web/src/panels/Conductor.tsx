/**
 * The time conductor, always at the bottom: half a minute back at one press, the last minutes to drag through, and the way
 * back to now. Marks on the line are moments at which an alarm was raised.
 */
import { computed, signal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { clock, line, pulse, ring } from '../app/core'
import { backToLive, pastBeat, pastSilent, pastT, playing, replaying, rewind, seek, setSpeed, span, speed, step, togglePlay } from '../app/timeline'
import { SPEEDS } from '../feed/replay'
import { t } from '../i18n'
import { ageText, clockText } from '../laws/words'
import { Icon } from './icons'
import { PrioritySign } from './signs'

const KEY_STEP_MS = 5_000
const KEY_PAGE_MS = 30_000
/** The line is never shorter than this, or a second would be as wide as a hand. */
const SHOWN_MS_MIN = 120_000
/** Before a mark, so that one sees how it came. */
const LEAD_MS = 5_000
const dragging = signal(false)

const shown = computed(() => {
  void pulse.value
  const { from, until } = span()
  const end = Number.isNaN(until) ? clock.now() : until
  return { from, begin: Number.isNaN(from) ? end - SHOWN_MS_MIN : Math.min(from, end - SHOWN_MS_MIN), end }
})

export function Conductor() {
  const past = replaying.value
  const empty = Number.isNaN(shown.value.from)
  return (
    <footer class={`conductor ${past ? 'past' : ''}`} data-testid="conductor" aria-label={t('time_label')}>
      <div class="time-buttons">
        <button class="rewind" data-testid="rewind" title={`${t('rewind_do')}（[）`} disabled={empty} onClick={() => rewind()}><Icon name="back" />{t('rewind_do')}</button>
        {past && <Transport />}
      </div>
      <Track />
      <Now />
    </footer>
  )
}

function Transport() {
  return (
    <>
      <button class="square" title={`${t('step_back')}（,）`} aria-label={t('step_back')} onClick={() => step(-1)}><Icon name="stepBack" /></button>
      <button class="square" data-testid="play" title={`${t(playing.value ? 'pause' : 'play')}（P）`} aria-label={t(playing.value ? 'pause' : 'play')} onClick={togglePlay}><Icon name={playing.value ? 'pause' : 'play'} /></button>
      <button class="square" title={`${t('step_on')}（.）`} aria-label={t('step_on')} onClick={() => step(1)}><Icon name="stepOn" /></button>
      <select data-testid="speed" aria-label={t('speed_label')} value={speed.value} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>
        {SPEEDS.map((one) => <option key={one} value={one}>{one} ×</option>)}
      </select>
    </>
  )
}

/** Where on the line a moment is, percent. */
function placeOf(at: number): number {
  const { begin, end } = shown.value
  return Math.min(100, Math.max(0, (100 * (at - begin)) / (end - begin)))
}

function Track() {
  const box = useRef<HTMLDivElement>(null)
  void pastBeat.value
  const { from, begin, end } = shown.value
  const at = replaying.value ? pastT() : end
  const behind = ageText((clock.now() - at) / 1000)
  const to = (event: PointerEvent): void => {
    const { left, width } = box.current!.getBoundingClientRect()
    seek(begin + ((event.clientX - left) / width) * (end - begin))
  }
  return (
    <div class="track" data-testid="track" role="slider" tabIndex={0} ref={box} aria-label={t('time_label')} aria-disabled={Number.isNaN(from)}
      aria-valuemin={0} aria-valuemax={Math.round((end - begin) / 1000) || 0} aria-valuenow={Math.round((at - begin) / 1000) || 0}
      aria-valuetext={replaying.value ? t('time_value', { t: clockText(at), age: behind }) : t('time_now')}
      onPointerDown={(event) => {
        if (Number.isNaN(from) || (event.target as HTMLElement).closest('.moment')) return
        dragging.value = true
        box.current!.setPointerCapture(event.pointerId)
        to(event)
      }}
      onPointerMove={(event) => dragging.value && to(event)}
      onPointerUp={() => (dragging.value = false)} onPointerCancel={() => (dragging.value = false)}
      onKeyDown={onKey}>
      <span class="rule" />
      {!Number.isNaN(from) && <span class="kept" style={{ left: `${placeOf(from)}%` }} />}
      {replaying.value && <span class="left-over" style={{ left: `${placeOf(at)}%` }} />}
      {ring.marks.map((mark) => (
        <span key={mark.id} class="moment" style={{ left: `${placeOf(mark.t)}%` }} title={clockText(mark.t)} aria-hidden="true" onClick={() => seek(mark.t - LEAD_MS)}>
          <PrioritySign priority={mark.priority} size={14} />
        </span>
      ))}
      {!Number.isNaN(from) && <span class="thumb" style={{ left: `${placeOf(at)}%` }} />}
    </div>
  )
}

function onKey(event: KeyboardEvent): void {
  const by = { ArrowLeft: -KEY_STEP_MS, ArrowRight: KEY_STEP_MS, PageUp: KEY_PAGE_MS, PageDown: -KEY_PAGE_MS }[event.key]
  if (event.key === 'Home') seek(span().from)
  else if (by !== undefined) rewind(by)
  else return
  event.preventDefault()
}

/** At the right: what is seen. While it is now, how far one could go back. */
function Now() {
  void pastBeat.value
  const { from, end } = shown.value
  if (!replaying.value) {
    return (
      <span class="time-now" data-testid="time-now">
        {line.value === 'live' && <b>{t('time_now')}</b>}
        <small>{Number.isNaN(from) ? t('time_none') : t('time_span', { age: ageText((end - from) / 1000) })}</small>
      </span>
    )
  }
  return <button class="to-live" data-testid="back-to-live" title={`${t('back_to_live')}（End）`} onClick={backToLive}>{t('back_to_live')} ›</button>
}

/** Over the map: unmistakably the past, of when, and how to leave it. */
export function ReplayMark() {
  if (!replaying.value) return null
  void pastBeat.value
  const at = pastT()
  return (
    <div class="replay-mark" data-testid="replay-mark" role="status" aria-live="off">
      <strong>{t('replay')}</strong>
      <b>{clockText(at)}</b>
      <span>{t('replay_behind', { age: ageText((clock.now() - at) / 1000) })}{speed.value !== 1 && ` · ${speed.value} ×`}{!playing.value && ` · ${t('pause')}`}</span>
      <small>{t(pastSilent() ? 'replay_gap' : 'replay_note')}</small>
    </div>
  )
}
