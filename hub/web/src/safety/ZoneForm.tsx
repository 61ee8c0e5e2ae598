/** A zone as a person asks for it: drawn anew, around a unit, or a standing one that shall be another. */
import { signal } from '@preact/signals'
import type { JSX, TargetedEvent } from 'preact'
import { addZone, changeZone, zoneOf, type ZoneBody } from '../api/safety'
import { clock, store } from '../app/core'
import { drawing, startDrawing, stopDrawing, undoPoint } from '../app/drawing'
import { t, type Key } from '../i18n'
import { geometryOf, radiusM } from '../laws/drawing'
import { fits } from '../laws/fuzzy'
import { metresText } from '../laws/words'
import { Entry, Trouble, useAct } from '../panels/acts'
import { nameOfUnit } from '../panels/alarmWords'
import { kindWords, ZONE_KINDS } from './zoneKinds'

const HOUR_MS = 3_600_000
const OFFERED = 30

/** Every field as it stands in the form. `id`: of the zone that is changed, '' of a new one. `hoursWas`: what was left when it was opened. */
interface Asked {
  id: string
  shape: string
  name: string
  kind: string
  hours: string
  hoursWas: string
  radius: string
  follows: string
  grows: string
  lead: string
  enter: string
  leave: string
}
type Field = Exclude<keyof Asked, 'id' | 'shape' | 'hoursWas'>

const BLANK: Asked = { id: '', shape: '', name: '', kind: 'danger', hours: '', hoursWas: '', radius: '', follows: '', grows: '', lead: '', enter: '', leave: '' }
const asked = signal<Asked | null>(null)

export function startZone(shape: 'circle' | 'polygon' | 'around'): void {
  asked.value = { ...BLANK, shape, kind: shape === 'around' ? 'cordon' : 'danger' }
  if (shape !== 'around') startDrawing(shape)
}

/** The form with what that zone is now. ApiError when the hub does not say. */
export async function openZone(id: string): Promise<void> {
  const { properties: is } = await zoneOf(id)
  const hours = is.until_utc_ms === null ? '' : Math.max(0.1, (is.until_utc_ms - clock.now()) / HOUR_MS).toFixed(1)
  asked.value = {
    id, shape: is.shape, name: is.name, kind: is.kind, hours, hoursWas: hours, radius: is.shape === 'circle' ? String(is.radius_m) : '',
    follows: is.follows && nameOfUnit(is.follows), grows: is.grows_mps > 0 ? String(is.grows_mps) : '', lead: is.lead_s > 0 ? String(is.lead_s) : '',
    enter: is.on_enter ? 'yes' : 'no', leave: is.on_leave ? 'yes' : 'no',
  }
}

function close(): void {
  asked.value = null
  stopDrawing()
}

const spoken = (word: string): boolean | null => (word === '' ? null : word === 'yes')
const unitNamed = (callsign: string): string | undefined => store.slots.map((slot) => store.meta(slot)).find((meta) => meta?.callsign === callsign)?.id

/** What the hub is asked. */
function bodyOf(form: Asked, follows: string): ZoneBody {
  const until = form.hours === form.hoursWas ? {} : { until_utc_ms: form.hours === '' ? null : Math.round(clock.now() + Number(form.hours) * HOUR_MS) }
  const radius = form.radius === '' ? {} : { radius_m: Number(form.radius) }
  return {
    name: form.name.trim() || kindWords(form.kind), kind: form.kind, ...until, ...radius, follows, grows_mps: Number(form.grows || 0),
    lead_s: form.lead === '' ? (form.id ? 0 : null) : Number(form.lead), on_enter: spoken(form.enter), on_leave: spoken(form.leave),
  }
}

export function ZoneForm(): JSX.Element {
  const { busy, trouble, run } = useAct()
  const form = asked.value
  const drawn = drawing.value
  if (form === null || (drawn === null && form.id === '' && form.shape !== 'around')) {
    return (
      <div class="quick">
        <button data-testid="draw-circle" onClick={() => startZone('circle')}>{t('draw_circle')}</button>
        <button data-testid="draw-polygon" onClick={() => startZone('polygon')}>{t('draw_polygon')}</button>
        <button data-testid="draw-around" onClick={() => startZone('around')}>{t('draw_around')}</button>
      </div>
    )
  }
  const made = drawn && geometryOf(drawn)
  const placed = made !== null || (drawn === null && (form.id !== '' || (form.follows !== '' && form.radius !== '')))
  const round = form.shape === 'circle' || form.shape === 'around'
  const save = (): void => void run(async () => {
    const follows = form.follows === '' ? '' : unitNamed(form.follows)
    if (follows === undefined) return void (trouble.value = t('zone_no_unit', { name: form.follows }))
    const said = bodyOf(form, follows)
    const geometry = made?.shape === 'circle' ? { type: 'Point', coordinates: made.centre } as const : made ? made.geometry : null
    const sized = made?.shape === 'circle' && (form.radius === '' || form.id !== '') ? { radius_m: made.radius_m } : {}
    if (form.id !== '') await changeZone(form.id, geometry, { ...said, ...sized })
    else await addZone(geometry, { shape: form.shape === 'polygon' ? 'polygon' : 'circle', ...said, ...sized })
    close()
  })
  const bind = (name: Field) => ({
    'data-testid': `zone-${name}`, value: form[name],
    onInput: (event: TargetedEvent<HTMLInputElement | HTMLSelectElement>) => (asked.value = { ...form, [name]: event.currentTarget.value }),
  })
  const number = (name: Field, label: Key, most: number) => <Entry name={label}><input type="number" inputmode="decimal" min={0} max={most} step="any" {...bind(name)} /></Entry>
  const choice = (name: Field, label: Key) => (
    <Entry name={label}>
      <select {...bind(name)}>
        {form.id === '' && <option value="">{t('zone_as_kind')}</option>}
        <option value="yes">{t('zone_yes')}</option>
        <option value="no">{t('zone_no')}</option>
      </select>
    </Entry>
  )
  return (
    <form class="drawing" data-testid="drawing" onSubmit={(event) => { event.preventDefault(); save() }}>
      {drawn && <p>{t(drawn.shape === 'circle' ? (drawn.points.length === 0 ? 'draw_centre' : 'draw_edge') : 'draw_corners')}{!Number.isNaN(radiusM(drawn)) && <b> {metresText(radiusM(drawn))}</b>}</p>}
      <Entry name="zone_name"><input maxlength={60} placeholder={kindWords(form.kind)} {...bind('name')} /></Entry>
      <div class="pair">
        <Entry name="kind"><select {...bind('kind')}>{ZONE_KINDS.map((word) => <option key={word} value={word}>{kindWords(word)}</option>)}</select></Entry>
        {number('hours', 'zone_hours', 720)}
      </div>
      <details open={form.shape === 'around' || form.id !== ''}>
        <summary>{t('zone_more')}</summary>
        <div class="pair">
          <Entry name="zone_follows">
            <input list="zone-units" autocomplete="off" {...bind('follows')} />
            <datalist id="zone-units">{offered(form.follows).map((name) => <option key={name} value={name} />)}</datalist>
          </Entry>
          {round && number('radius', 'zone_radius', 200_000)}
          {number('grows', 'zone_grows', 50)}
          {number('lead', 'zone_lead', 900)}
          {choice('enter', 'zone_enter')}
          {choice('leave', 'zone_leave')}
        </div>
      </details>
      <div class="quick">
        <button class="main" data-testid="zone-save" disabled={busy.value || !placed}>{t('save')}</button>
        {drawn && <button type="button" data-testid="draw-undo" disabled={drawn.points.length === 0} onClick={undoPoint}>{t('undo')}</button>}
        {!drawn && form.id !== '' && (form.shape === 'circle' || form.shape === 'polygon') && <button type="button" data-testid="zone-redraw" onClick={() => startDrawing(form.shape as 'circle' | 'polygon')}>{t('zone_redraw')}</button>}
        <button type="button" data-testid="draw-cancel" onClick={close}>{t('cancel')}</button>
      </div>
      <Trouble words={trouble} />
    </form>
  )
}

/** Callsigns that what is typed may mean, the best first. */
function offered(typed: string): string[] {
  const names = store.slots.map((slot) => store.meta(slot)?.callsign ?? '')
  if (typed === '') return names.slice(0, OFFERED)
  return names.map((name) => ({ name, score: fits(typed, name) })).filter(({ score }) => score > 0).sort((a, b) => b.score - a.score).slice(0, OFFERED).map(({ name }) => name)
}
