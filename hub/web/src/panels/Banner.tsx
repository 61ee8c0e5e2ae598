/** What is wrong with the picture as a whole, in words. Above everything and never a dialog. */
import { byeWhy, clock, line, link, oldPicture, pulse, silentS, socket } from '../app/core'
import { t } from '../i18n'
import { ageText, clockText } from '../laws/words'

/** The first connection may take this long before it needs words. */
const PATIENCE_S = 2

export function Banner() {
  if (line.value === 'live') return <Troubles />
  if (line.value === 'paused') return <div class="banner banner-cut" data-testid="banner" data-cause="paused">{t('paused_since')}</div>
  if (line.value === 'old') return <Old />
  if (line.value === 'first' && silentS.value < PATIENCE_S) return null
  const why = byeWhy.value === 'slow' ? t('bye_slow') : byeWhy.value === 'stopping' ? t('bye_stopping') : ''
  return (
    <div class="banner banner-cut" data-testid="banner" data-cause="hub">
      {t(line.value === 'first' ? 'banner_first' : 'banner_cut', { s: silentS.value })}
      {why && <span> · {why}</span>}
      <Attempt />
    </div>
  )
}

/** What the line does about it: it waits, or tries again in so many seconds. */
function Attempt() {
  void pulse.value
  if (socket.isOpen) return <span data-testid="attempt" data-state="stalled"> · {t('banner_stalled')}</span>
  const leftMs = socket.nextTryMono - performance.now()
  if (!(leftMs > 0)) return <span data-testid="attempt" data-state="trying"> · {t('banner_trying')}</span>
  return (
    <span data-testid="attempt" data-state="waiting">
      {' '}· {t('banner_retry', { s: Math.ceil(leftMs / 1000) })}
      <button class="try" onClick={() => socket.tryNow()}>{t('retry_now')}</button>
    </span>
  )
}

/** No hub was reached: what stands here was true when this browser last heard one. */
function Old() {
  void pulse.value
  const old = oldPicture.value
  if (!old) return null
  return (
    <div class="banner banner-cut" data-testid="banner" data-cause="old">
      {t('banner_old', { t: clockText(old.t), age: ageText((clock.now() - old.t) / 1000) })}
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
