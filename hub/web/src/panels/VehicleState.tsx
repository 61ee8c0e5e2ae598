/** What a vehicle is doing (GA/T 974.39), why the hub thinks so, and a person's own word, which the hub does not take back. */
import { clock, pulse } from '../app/core'
import { detailData } from '../app/detailFeed'
import { may } from '../app/session'
import { setVehicleState } from '../api/safety'
import { isRecord, text } from '../feed/raw'
import { lang, t, type Key } from '../i18n'
import { ageText } from '../laws/words'
import { Trouble, useAct } from './acts'

const CODES = [10, 20, 21, 22, 23, 24, 25, 26, 27, 30] as const

export function VehicleStatePart({ id }: { id: string }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const now = detailData.value?.vehicle
  const reasons = Array.isArray(now?.reasons) ? now.reasons.map((one) => (isRecord(one) ? text(one[lang.value]) || text(one.name) : text(one))).filter(Boolean) : []
  const since = Number(now?.t_utc_ms ?? now?.t ?? NaN)
  return (
    <section class="vehicle-state" data-testid="vehicle-state">
      <h3>{t('vehicle_state')}</h3>
      {now && text(now[lang.value]) ? <p><b>{text(now[lang.value])}</b> <small>{text(now.by) || t('by_hub')} · {ageText((clock.now() - since) / 1000)}</small></p> : <p class="hint">{t('vehicle_state_none')}</p>}
      {reasons.length > 0 && <p class="hint">{reasons.join('；')}</p>}
      {may('dispatch') && (
        <select data-testid="vehicle-state-set" aria-label={t('vehicle_state_set')} disabled={busy.value} value="" onChange={(event) => {
          const code = Number(event.currentTarget.value)
          void run(() => setVehicleState(id, code))
        }}>
          <option value="">{t('vehicle_state_set')}</option>
          {CODES.map((code) => <option key={code} value={code}>{t(`vehicle_${code}` as Key)}</option>)}
        </select>
      )}
      <Trouble words={trouble} />
    </section>
  )
}
