/** Zones: who is inside, who may be; and a new one, drawn by clicks on the map. */
import { useSignal } from '@preact/signals'
import { clock, pulse } from '../app/core'
import { drawing, startDrawing, stopDrawing, undoPoint } from '../app/drawing'
import { zones } from '../app/safety'
import { may } from '../app/session'
import { showUnit } from '../app/show'
import { addZone, endZone } from '../api/safety'
import { store } from '../app/core'
import type { ZoneMessage } from '../feed/safety'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { geometryOf, radiusM } from '../laws/drawing'
import { ageText, metresText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { nameOfSlot, nameOfUnit } from '../panels/alarmWords'

export const ZONE_KINDS = ['danger', 'no_go', 'hot', 'warm', 'cold', 'cordon', 'safe', 'assembly', 'entry', 'sector', 'staging', 'search', 'water', 'other'] as const
export const kindWords = (kind: string): string => (`zone_${kind}` in zh ? t(`zone_${kind}` as Key) : kind)

/** Those with somebody in them first, then by kind as the list above, of equals the newest. */
const rank = (zone: ZoneMessage): number => {
  const kind = (ZONE_KINDS as readonly string[]).indexOf(zone.kind)
  return (zone.inside.length + zone.unsure.length > 0 ? 0 : 100) + (kind < 0 ? ZONE_KINDS.length : kind)
}
export const inOrder = (all: readonly ZoneMessage[]): ZoneMessage[] => [...all].sort((a, b) => rank(a) - rank(b))

export function Zones() {
  return (
    <div class="board">
      {may('zones') && <Draw />}
      {zones.value.length === 0 ? <p class="hint none">{t('zones_none')}</p> : inOrder(zones.value).map((zone) => <Zone key={zone.id} zone={zone} />)}
    </div>
  )
}

function Draw() {
  const name = useSignal('')
  const kind = useSignal<string>('danger')
  const hours = useSignal('')
  const { busy, trouble, run } = useAct()
  const now = drawing.value
  if (now === null) {
    return (
      <div class="quick">
        <button data-testid="draw-circle" onClick={() => startDrawing('circle')}>{t('draw_circle')}</button>
        <button data-testid="draw-polygon" onClick={() => startDrawing('polygon')}>{t('draw_polygon')}</button>
      </div>
    )
  }
  const made = geometryOf(now)
  const save = (): void => void run(async () => {
    if (!made) return
    const until = hours.value === '' ? {} : { until_utc_ms: Math.round(clock.now() + Number(hours.value) * 3_600_000) }
    const common = { name: name.value.trim() || kindWords(kind.value), kind: kind.value, shape: made.shape, ...until }
    if (made.shape === 'circle') await addZone({ type: 'Point', coordinates: made.centre }, { ...common, radius_m: made.radius_m })
    else await addZone(made.geometry, common)
    stopDrawing()
  })
  return (
    <div class="drawing" data-testid="drawing">
      <p>{t(now.shape === 'circle' ? (now.points.length === 0 ? 'draw_centre' : 'draw_edge') : 'draw_corners')}{!Number.isNaN(radiusM(now)) && <b> {metresText(radiusM(now))}</b>}</p>
      <div class="quick">
        <input class="wide-field" data-testid="zone-name" aria-label={t('zone_name')} placeholder={t('zone_name')} maxlength={60} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        <select data-testid="zone-kind" aria-label={t('kind')} value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value)}>{ZONE_KINDS.map((word) => <option key={word} value={word}>{kindWords(word)}</option>)}</select>
        <input type="number" min={0.1} max={720} step="any" aria-label={t('zone_hours')} placeholder={t('zone_hours')} value={hours.value} onInput={(event) => (hours.value = event.currentTarget.value)} />
      </div>
      <div class="quick">
        <button class="main" data-testid="zone-save" disabled={busy.value || made === null} onClick={save}>{t('save')}</button>
        <button data-testid="draw-undo" disabled={now.points.length === 0} onClick={undoPoint}>{t('undo')}</button>
        <button data-testid="draw-cancel" onClick={stopDrawing}>{t('cancel')}</button>
      </div>
      <Trouble words={trouble} />
    </div>
  )
}

function Zone({ zone }: { zone: ZoneMessage }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const leftS = zone.until_utc_ms === null ? NaN : (zone.until_utc_ms - clock.now()) / 1000
  const who = (slots: number[], unsure: boolean): preact.JSX.Element[] => slots.map((slot) => (
    <button key={slot} class={`chip ${unsure ? 'unsure' : ''}`} onClick={() => showUnit(store.meta(slot)?.id ?? '')}>{nameOfSlot(slot)}{unsure && ' ?'}</button>
  ))
  return (
    <article class={`zone zone-${zone.kind}`} data-testid="zone" data-zone={zone.id} data-kind={zone.kind}>
      <header><h3>{zone.name || zone.id}</h3><span class="says">{kindWords(zone.kind)}</span><b data-testid="zone-inside">{zone.inside.length}{zone.unsure.length > 0 && <small> +{zone.unsure.length}?</small>}</b></header>
      <p class="hint">
        {zone.by || zone.source}{Number.isNaN(leftS) ? '' : ` · ${leftS > 0 ? t('left', { age: ageText(leftS) }) : t('over')}`}
        {zone.follows && ` · ${t('follows', { name: nameOfUnit(zone.follows) })}`}{zone.grows_mps > 0 && ` · ${t('grows', { n: zone.grows_mps })}`}
      </p>
      {zone.note && <p class="hint" data-testid="zone-note">{zone.note}</p>}
      {zone.inside.length + zone.unsure.length > 0 && <p class="chosen">{who(zone.inside, false)}{who(zone.unsure, true)}</p>}
      <div class="quick">
        {zone.inside.length + zone.unsure.length === 0 && <span class="hint">{t('zone_empty')}</span>}
        {may('zones') && zone.source.startsWith('person') && <Twice data-testid="zone-end" disabled={busy.value} onSure={() => void run(() => endZone(zone.id))}>{t('zone_end')}</Twice>}
      </div>
      <Trouble words={trouble} />
    </article>
  )
}
