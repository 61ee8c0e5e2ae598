/** An alarm in words: of whom, what, since when. Used by strip, list and the live region. */
import { store } from '../app/core'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { causeOf } from '../feed/alarms'
import type { Shown } from '../laws/alarms'
import { ageText, clockText } from '../laws/words'
import { measuredText } from './EventWords'

const NAMES_MAX = 3

export const nameOfSlot = (slot: number): string => store.meta(slot)?.callsign ?? ''

/** Callsigns of units by their ids, the id where the unit is not seen. */
export function nameOfUnit(id: string): string {
  const slot = store.slotOf(id)
  return slot === undefined ? id : nameOfSlot(slot) || id
}

export function namesOf({ slots, units }: Pick<Shown, 'slots' | 'units'>): string {
  const names = slots.length > 0 ? slots.map(nameOfSlot) : units.map(nameOfUnit)
  const first = names.filter((name) => name !== '').slice(0, NAMES_MAX).join('、')
  return names.length > NAMES_MAX ? t('and_more', { names: first, n: names.length }) : first
}

/** The cause of a device's alarm as everywhere on the page; else the hub's own words. */
export function wordsOf({ code, zh: chinese, en, kind }: Shown): string {
  const cause = code === null ? undefined : causeOf(code)
  if (cause) return t(cause)
  return (lang.value === 'zh' ? chinese : en) || (kind in zh ? t(kind as Key) : kind)
}

/** What was measured: of the event when it is known, else the first of its reasons. */
export function measureOf(alarm: Shown): string {
  const latest = alarm.events.at(-1)
  if (latest) return measuredText(latest)
  const said = lang.value === 'zh' ? alarm.zh : alarm.en
  return alarm.code !== null && said !== wordsOf(alarm) ? said : ''
}

export const adviceOf = (alarm: Shown): string => (lang.value === 'zh' ? alarm.advice_zh : alarm.advice_en)

/** Late says both times: when it was true and when it was heard of. */
export function sinceText({ t_raised, t_hub, late }: Shown, now: number): string {
  if (Number.isNaN(t_raised)) return ''
  const age = ageText((now - t_raised) / 1000)
  if (late) return `${t('late_both', { t: clockText(t_raised), came: clockText(t_hub) })} · ${age}`
  return `${t('alarm_since', { t: clockText(t_raised) })} · ${age}`
}

/** What the row is called for tests and colours: the device's cause, else the hub's kind. */
export const causeName = ({ code, kind }: Shown): string => (code === null ? undefined : causeOf(code)) ?? kind
