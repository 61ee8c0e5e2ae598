/** With whom a unit is: the nearest of its own team, and since when it is inside. */
import { clock, pulse, select, store } from '../app/core'
import { detailData } from '../app/detailFeed'
import { nearest } from '../laws/buddy'
import { t } from '../i18n'
import { ageS } from '../laws/contact'
import { ageText, clockText, metresText } from '../laws/words'

const ENTERED = 64
const LEFT = 65

export function Buddy({ slot }: { slot: number }) {
  void pulse.value
  const meta = store.meta(slot)!
  if (meta.kind !== 'person' || meta.reported || meta.team === '') return null
  const others = store.slots.filter((one) => one !== slot && store.meta(one)!.team === meta.team && store.meta(one)!.kind === 'person')
  const found = nearest(store.col, slot, others)
  return (
    <p class="buddy" data-testid="buddy">
      {t('buddy')} {found === null ? <span class="hint">{t('buddy_none')}</span> : (
        <button class="chip" onClick={() => select(store.meta(found.slot)!.id)}>
          {t('buddy_far', { name: store.meta(found.slot)!.callsign, m: metresText(found.metres), age: ageText(ageS(clock.now(), store.col.t_fix[found.slot]!)) })}
        </button>
      )}
    </p>
  )
}

/** Out of the unit's own happenings: the last entry, unless it has come out since. */
export function InsideSince({ slot }: { slot: number }) {
  void pulse.value
  const data = detailData.value
  if (!data || data.id !== store.meta(slot)!.id) return null
  const last = data.events.find(({ code }) => code === ENTERED || code === LEFT)
  if (!last || last.code === LEFT) return null
  return <p class="inside" data-testid="inside-since">{t('inside_for')} <b>{t('inside_since', { t: clockText(last.t_event), age: ageText(ageS(clock.now(), last.t_event)) })}</b></p>
}
