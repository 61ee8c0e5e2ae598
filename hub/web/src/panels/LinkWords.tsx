/** In the bar, in words: how long rows take from the field, how many are lost, and whatever makes this screen less than it seems. */
import { computed } from '@preact/signals'
import { clock, counts, line, link, pulse, uplink } from '../app/core'
import { lang, t } from '../i18n'
import { skewMs } from '../laws/line'
import { LATE_MS, secondsText, SPARSE_MS } from '../laws/uplink'
import { ageText } from '../laws/words'

/** A broker that is connected and brings nothing for so long may be hanging. */
const QUIET_S = 8
interface Word { words: string; bad: boolean; title?: string }

/** What is wrong comes first; on a narrow bar only that is left. */
const said = computed<Word[]>(() => {
  void pulse.value
  const now = clock.now()
  void lang.value
  if (line.value !== 'live') return []
  const out: Word[] = []
  const warn = (words: string): void => void out.push({ words, bad: true })
  const told = link.value
  const quietS = told ? Math.floor((now - (told.t_heard ?? NaN)) / 1000) : 0
  if (told && !told.broker) warn(t('broker_cut'))
  else if (quietS > QUIET_S) warn(t('data_quiet', { s: quietS }))
  const late = clock.lag()
  if (late > LATE_MS) warn(t('screen_late', { s: secondsText(late) }))
  else if (clock.spacing() > SPARSE_MS) warn(t('screen_sparse', { s: secondsText(clock.spacing()) }))
  if (told && told.refused > 0) warn(t('refused', { n: told.refused }))
  const ahead = skewMs(Date.now(), now)
  if (ahead !== 0) warn(t(ahead > 0 ? 'clock_ahead' : 'clock_behind', { age: ageText(Math.abs(ahead) / 1000) }))
  const ms = uplink.medianMs(now)
  if (counts.value.online + counts.value.stale > 0) out.push({ words: Number.isNaN(ms) ? t('uplink_none') : t('uplink', { s: secondsText(ms) }), bad: false, title: t('uplink_title') })
  out.push({ words: counts.value.lost > 0 ? t('lost_n', { n: counts.value.lost }) : t('lost_0'), bad: false })
  return out
})

export function LinkWords() {
  return (
    <p class="link-words" data-testid="link-words">
      {said.value.map(({ words, bad, title }) => <span key={words} class={bad ? 'bad' : ''} title={title}>{words}</span>)}
    </p>
  )
}
