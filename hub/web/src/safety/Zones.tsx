/** Zones: who is inside, who may be; each can be changed and ended. */
import { clock, pulse } from '../app/core'
import { zones } from '../app/safety'
import { may } from '../app/session'
import { showUnit } from '../app/show'
import { endZone } from '../api/safety'
import { store } from '../app/core'
import type { ZoneMessage } from '../feed/safety'
import { lang, t } from '../i18n'
import { ageText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { nameOfSlot, nameOfUnit } from '../panels/alarmWords'
import { openZone, ZoneForm } from './ZoneForm'
import { kindWords, ZONE_KINDS } from './zoneKinds'

/** Those with somebody in them first, then by kind as the list above, of equals the newest. */
const rank = (zone: ZoneMessage): number => {
  const kind = (ZONE_KINDS as readonly string[]).indexOf(zone.kind)
  return (zone.inside.length + zone.unsure.length > 0 ? 0 : 100) + (kind < 0 ? ZONE_KINDS.length : kind)
}
export const inOrder = (all: readonly ZoneMessage[]): ZoneMessage[] => [...all].sort((a, b) => rank(a) - rank(b))

export function Zones() {
  return (
    <div class="board">
      {may('zones') && <ZoneForm />}
      {zones.value.length === 0 ? <p class="hint none">{t('zones_none')}</p> : inOrder(zones.value).map((zone) => <Zone key={zone.id} zone={zone} />)}
    </div>
  )
}

function Zone({ zone }: { zone: ZoneMessage }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const leftS = zone.until_utc_ms === null ? NaN : (zone.until_utc_ms - clock.now()) / 1000
  const note = [zone.note, lang.value === 'zh' ? zone.says_zh : zone.says_en].filter(Boolean).join(' · ')
  const ours = may('zones') && zone.source.startsWith('person')
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
      {note && <p class="hint" data-testid="zone-note">{note}</p>}
      {zone.inside.length + zone.unsure.length > 0 && <p class="chosen">{who(zone.inside, false)}{who(zone.unsure, true)}</p>}
      <div class="quick">
        {zone.inside.length + zone.unsure.length === 0 && <span class="hint">{t('zone_empty')}</span>}
        {ours && <button data-testid="zone-change" disabled={busy.value} onClick={() => void run(() => openZone(zone.id))}>{t('zone_change')}</button>}
        {ours && <Twice data-testid="zone-end" disabled={busy.value} onSure={() => void run(() => endZone(zone.id))}>{t('zone_end')}</Twice>}
      </div>
      <Trouble words={trouble} />
    </article>
  )
}
