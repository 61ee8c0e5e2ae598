/** What is wrong with the picture as a whole, in words. Above everything and never a dialog. */
import { byeWhy, clock, line, link, pulse, silentS } from '../app/core'
import { t } from '../i18n'
import { ageText } from '../laws/words'

/** The first connection may take this long before it needs words. */
const PATIENCE_S = 2

export function Banner() {
  if (line.value === 'live') return link.value?.broker === false ? <BrokerCut since={link.value.t_broker} /> : null
  if (line.value === 'first' && silentS.value < PATIENCE_S) return null
  const why = byeWhy.value === 'slow' ? t('bye_slow') : byeWhy.value === 'stopping' ? t('bye_stopping') : ''
  return (
    <div class="banner banner-cut" data-testid="banner" data-cause="hub">
      {t(line.value === 'first' ? 'banner_first' : 'banner_cut', { s: silentS.value })}
      {why && <span> · {why}</span>}
    </div>
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
