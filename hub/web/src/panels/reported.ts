/** Words for units that have no device of ours. */
import { store } from '../app/core'
import type { UnitMeta } from '../feed/messages'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'

/** "AIS · 由 泰山-01 报告"; the reporter may have gone out of sight. */
export function reportedWords({ reported }: UnitMeta): string {
  if (!reported) return ''
  const key = `source_${reported.source}`
  const slot = store.slotOf(reported.by)
  const name = slot === undefined ? reported.by : store.meta(slot)!.callsign
  return `${key in zh ? t(key as Key) : reported.source} · ${t('reported_by', { name })}`
}
