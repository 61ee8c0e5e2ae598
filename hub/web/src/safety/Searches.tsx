/** Search plans: each segment's prior and what is left of it, what was searched with W, L and A, and where the next hours do most. */
import { useSignal } from '@preact/signals'
import { addPlan, allocate, changePlan, removePlan, type Effort } from '../api/safety'
import { clock, roster } from '../app/core'
import { loadLayer, type Feature, type Layer } from '../app/layers'
import { may } from '../app/session'
import { isRecord, maps, number, text, type Raw } from '../feed/raw'
import { t } from '../i18n'
import { clockText } from '../laws/words'
import { Entry, Trouble, Twice, useAct } from '../panels/acts'

const UNITS_MAX = 200
const percent = (value: unknown): string => `${(number(value, 'a share') * 100).toFixed(1)} %`
const of = (value: unknown): number => number(value, 'search')

export function Searches({ layer }: { layer: Layer }) {
  const plans = maps(layer.about.plans)
  return (
    <div data-testid="searches">
      {plans.length === 0 && <p class="hint">{t('layer_search_none')}</p>}
      {plans.map((plan) => <Plan key={text(plan.id)} plan={plan} segments={layer.features.filter(({ properties }) => properties.plan === plan.id)} />)}
      {may('search') && <Import />}
    </div>
  )
}

function Plan({ plan, segments }: { plan: Raw; segments: Feature[] }) {
  const { busy, trouble, run } = useAct()
  const id = text(plan.id)
  const over = plan.until_utc_ms !== null
  const then = (what: Promise<unknown>): Promise<void> => what.then(() => loadLayer('search'))
  const end = (): Promise<void> => then(changePlan(id, {
    type: 'FeatureCollection', name: plan.name, units: plan.units, from_utc_ms: plan.from_utc_ms, until_utc_ms: Math.round(clock.now()),
    features: segments.map(({ geometry, properties: p }) => ({ type: 'Feature', id: p.id, geometry, properties: { name: p.name, poa: p.poa, range_m: p.range_m, visibility: p.visibility } })),
  }))
  return (
    <article class="search" data-testid="search-plan">
      <header><h3>{text(plan.name)}</h3><span class="says">{over && t('search_over')}</span></header>
      {segments.map(({ properties: s }) => (
        <div key={text(s.id)} class="segment" data-testid="segment">
          <b>{text(s.name)}</b>
          <span>{t('search_done')} <b>POD {percent(s.pod)}</b></span>
          <span>{t('search_prior')} {percent(s.poa)} → <b>{percent(s.posterior)}</b></span>
          <small>{t('search_why', { w: of(s.sweep_m).toFixed(0), l: (of(s.length_m) / 1000).toFixed(2), a: (of(s.area_m2) / 1e6).toFixed(3) })}</small>
        </div>
      ))}
      <p class="hint">{t('search_rest', { before: percent(plan.rest_poa), after: percent(plan.rest_posterior) })} · {t('search_pos', { pos: percent(plan.pos) })}</p>
      <p class="hint">{typeof plan.read_to_utc_ms === 'number' && t('search_read_to', { t: clockText(plan.read_to_utc_ms) })}{of(plan.gaps) > 0 && ` · ${t('search_gaps', { n: of(plan.gaps) })}`}</p>
      {may('search') && <Next id={id} />}
      {may('search') && (
        <div class="line">
          {!over && <Twice data-testid="search-end" disabled={busy.value} onSure={() => void run(end)}>{t('search_end')}</Twice>}
          <Twice data-testid="search-remove" disabled={busy.value} onSure={() => void run(() => then(removePlan(id)))}>{t('search_remove')}</Twice>
        </div>
      )}
      <Trouble words={trouble} />
    </article>
  )
}

function Next({ id }: { id: string }) {
  const hours = useSignal('10')
  const speed = useSignal('0.5')
  const found = useSignal<Effort | null>(null)
  const { busy, trouble, run } = useAct()
  const ask = async (): Promise<void> => {
    found.value = await allocate(id, Number(hours.value), Number(speed.value))
  }
  return (
    <div>
      <div class="line">
        <Entry name="search_hours"><input type="number" min={0.1} step={0.1} value={hours.value} onInput={(event) => (hours.value = event.currentTarget.value)} /></Entry>
        <Entry name="search_speed"><input type="number" min={0.1} step={0.1} value={speed.value} onInput={(event) => (speed.value = event.currentTarget.value)} /></Entry>
        <button type="button" data-testid="search-allocate" disabled={busy.value || !(Number(hours.value) > 0) || !(Number(speed.value) > 0)} onClick={() => void run(ask)}>{t('search_allocate')}</button>
      </div>
      {found.value && (
        <p class="hint" data-testid="effort">{found.value.segments.map((s) => `${s.name} ${t('hours_n', { n: s.hours.toFixed(1) })}`).join(' · ')} · {t('search_better', { pos: percent(found.value.pos) })}</p>
      )}
      <Trouble words={trouble} />
    </div>
  )
}

function Import() {
  const name = useSignal('')
  const wrong = useSignal('')
  const { busy, trouble, run } = useAct()
  const take = async (file: File): Promise<void> => {
    wrong.value = ''
    const said: unknown = await file.text().then(JSON.parse).catch(() => null)
    if (!isRecord(said) || !Array.isArray(said.features)) {
      wrong.value = t('search_no_file', { name: file.name })
      return
    }
    const units = roster.peek().filter(({ reported }) => !reported).map(({ id }) => id).slice(0, UNITS_MAX)
    await addPlan({ type: 'FeatureCollection', name: name.value.trim() || file.name.slice(0, 80), units, from_utc_ms: Math.round(clock.now()), features: said.features })
    await loadLayer('search')
  }
  return (
    <div class="quick">
      <input class="wide-field" aria-label={t('search_name')} placeholder={t('search_name')} maxlength={80} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
      <label class="entry"><span>{t('search_import')}</span>
        <input type="file" accept=".json,.geojson,application/geo+json" data-testid="search-import" disabled={busy.value}
          onChange={(event) => { const file = event.currentTarget.files?.[0]; if (file) void run(() => take(file)) }} />
      </label>
      <p class="hint">{t('search_import_hint')} · {t('search_units')}</p>
      {wrong.value && <p class="trouble" role="alert">{wrong.value}</p>}
      <Trouble words={trouble} />
    </div>
  )
}
