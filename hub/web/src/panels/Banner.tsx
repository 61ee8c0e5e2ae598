/** What is wrong with the picture as a whole, in words. Above everything and never a dialog. */
import { byeWhy, clock, line, link, pulse, silentS } from '../app/core'
import { t } from '../i18n'
import { ageText } from '../laws/words'

/** The first connection may take this long before it needs words. */
const PATIENCE_S = 2

export function Banner() {
  if (line.value === 'live') return <Troubles />
  if (line.value === 'first' && silentS.value < PATIENCE_S) return null
  const why = byeWhy.value === 'slow' ? t('bye_slow') : byeWhy.value === 'stopping' ? t('bye_stopping') : ''
  return (
    <div class="banner banner-cut" data-testid="banner" data-cause="hub">
      {t(line.value === 'first' ? 'banner_first' : 'banner_cut', { s: silentS.value })}
      {why && <span> · {why}</span>}
    </div>
  )
}

/** The hub is there and says itself what is wrong with it. */
function Troubles() {
  const said = link.value
  if (!said) return null
  const offsetS = Math.round(Math.abs(said.clock_offset_ms ?? 0) / 1000)
  return (
    <>
      {!said.broker && <BrokerCut since={said.t_broker} />}
      {said.fault && <div class="banner banner-broker" data-testid="banner" data-cause="fault">{t('banner_fault', { fault: said.fault })}</div>}
      {offsetS !== 0 && (
        <div class="banner banner-broker" data-testid="banner" data-cause="clock">
          {t('banner_clock', { s: offsetS })}
        </div>
      )}
    </>
  )
}

function BrokerCut({ since }: { since: number }) {
  void pulse.value
  return (
    <div class="banner banner-broker" data-testid="banner" data-cause="broker">
      {t('banner_broker', { age: ageText((clock.now() - since) / 1000) })}
    </div>
  )
}
