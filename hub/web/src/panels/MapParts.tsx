/** What stands on the map in words: whom the map follows, how many are marked, and who lies under the pointer. */
import { onlineWord, pulse, roster, selectedId } from '../app/core'
import { following, hovered, orderThem, picture, rings, selection, toggleFollow, toggleRings } from '../app/mapState'
import { may } from '../app/session'
import { t } from '../i18n'
import { ageS, contact, state } from '../laws/contact'
import { floorText, isInside } from '../laws/inside'
import { ABSENT } from '../feed/messages'
import { ageText, metresText } from '../laws/words'

const TIP_PX = { width: 280, off: 16 }

/** Buttons that mean the selected unit. */
export function SelectedTools() {
  const is = following.value !== null && following.value === selectedId.value
  return (
    <>
      <button title={t('map_follow')} aria-label={t('map_follow')} aria-pressed={is} data-testid="map-follow" onClick={toggleFollow}>
        <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><circle cx="10" cy="10" r="5" /><path d="M10 1v5M10 14v5M1 10h5M14 10h5" /></svg>
      </button>
      <button title={t('map_rings')} aria-label={t('map_rings')} aria-pressed={rings.value} data-testid="map-rings" onClick={toggleRings}>
        <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><circle cx="10" cy="10" r="8" /><circle cx="10" cy="10" r="4" /><circle cx="10" cy="10" r="0.5" /></svg>
      </button>
    </>
  )
}

export function MapChips() {
  const who = following.value === null ? undefined : roster.value.find(({ id }) => id === following.value)
  const { size } = selection.value
  return (
    <div class="map-chips">
      {who && <p class="map-chip" data-testid="following">{t('following', { who: who.callsign })} <button onClick={toggleFollow}>{t('follow_stop')}</button></p>}
      {size > 0 && (
        <p class="map-chip" data-testid="selection" data-count={size}>
          {t('chosen_n', { n: size })}
          {(may('dispatch') || may('order') || may('acknowledge')) && <button data-testid="selection-order" onClick={orderThem}>{t('chosen_order')}</button>}
          <button data-testid="selection-clear" onClick={() => (selection.value = new Set())}>{t('chosen_clear')}</button>
        </p>
      )}
    </div>
  )
}

/** Callsign, state, age and accuracy of what the pointer is on. */
export function MapTip() {
  const on = hovered.value
  void pulse.value
  const source = picture.value
  const meta = on && source.meta(on.slot)
  if (!on || !meta) return null
  const { t_fix, t_rx, hacc, flags } = source.col
  const [now, fix, accuracy] = [source.now(), t_fix[on.slot]!, hacc[on.slot]!]
  const heard = contact(now, t_rx[on.slot]!, fix, meta.stale_s, meta.lost_s)
  const is = state(heard, flags[on.slot]!)
  const words = is === heard ? [heard] : [is, heard]
  const side = on.x > innerWidth / 2 ? { left: `${on.x - TIP_PX.width - TIP_PX.off}px`, width: `${TIP_PX.width}px` } : { left: `${on.x + TIP_PX.off}px` }
  return (
    <div class="map-tip" data-testid="map-tip" aria-hidden="true" style={{ ...side, top: `${on.y + TIP_PX.off}px` }}>
      <b>{meta.callsign}{meta.floor !== undefined && ` · ${floorText(meta.floor)}`}</b>
      {words.map((word) => t(word === 'online' ? onlineWord() : word)).join(' · ')} · {ageText(ageS(now, fix))}
      <br />
      {accuracy === ABSENT.u16 ? t('tip_accuracy_unknown') : t('tip_accuracy', { m: metresText(accuracy / 10) })}
      {meta.entry && isInside(meta.entry, fix) && <> · {t('tip_inside', { age: ageText((now - meta.entry.t) / 1000) })}</>}
    </div>
  )
}
