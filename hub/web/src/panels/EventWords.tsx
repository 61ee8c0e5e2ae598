/** An event in words, and saying that one has seen it. Used by the strip and the drawer. */
import { seeEvent } from '../api/http'
import { maySee } from '../app/session'
import { causeOf } from '../feed/alarms'
import type { FeedEvent } from '../feed/messages'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { Trouble, useAct } from './acts'
import { fieldName, valueText } from './measures'

type Measured = Pick<FeedEvent, 'value' | 'threshold' | 'field' | 'unit' | 'duty'>

/** "氧气 18.2 % vol（限 19.5）"; nothing when the event measured nothing. */
export function measuredText({ value, threshold, field, unit = '' }: Measured): string {
  if (!field || value === null) return ''
  const words = (number: number): string => valueText({ name: field, value: number, unit })
  const limit = threshold === null || threshold === undefined ? '' : t('limit', { value: words(threshold) })
  return `${fieldName(field)} ${words(value)}${limit}`
}

export function codeWords(code: number): string {
  const cause = causeOf(code)
  if (cause) return t(cause)
  const key = `event_${code}`
  return key in zh ? t(key as Key) : t('event_other', { code })
}

/** The one button of an open alarm; then who saw it and whether the wearer was told. */
export function SeenPart({ events, team }: { events: readonly Pick<FeedEvent, 'id' | 'seen'>[]; team: string }) {
  const { busy, trouble, run } = useAct()
  if (events.length === 0) return null
  const waiting = events.filter(({ seen }) => !seen)
  if (waiting.length > 0) {
    if (!maySee(team)) return <span class="seen-note">{t('not_seen_yet')}</span>
    const say = (event: Event): void => {
      event.stopPropagation()
      void run(() => Promise.all(waiting.map(({ id }) => seeEvent(id))))
    }
    return (
      <>
        <button class="see" data-testid="alarm-seen" disabled={busy.value} onClick={say}>{t('seen_do')}</button>
        <Trouble words={trouble} />
      </>
    )
  }
  const seen = events.at(-1)!.seen!
  const heard = events.every((event) => event.seen?.heard)
  return (
    <span class="seen-note" data-testid="alarm-seen-by" data-heard={heard}>
      <svg class="sign" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path class="line" d="M3 10.5l4.5 4.5L17 5" /></svg>
      {t('seen_by', { name: seen.by })} · {t(heard ? 'wearer_told' : 'wearer_not_told')}
    </span>
  )
}
