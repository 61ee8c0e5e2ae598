/** Site and floor plans: put in, placed by pairs of points, deleted. */
import { signal, useSignal } from '@preact/signals'
import { ask, send } from '../api/http'
import { plans, takeGround } from '../app/ground'
import { may } from '../app/session'
import { decodePlan, type Control, type Plan } from '../feed/ground'
import { isRecord } from '../feed/raw'
import { t } from '../i18n'
import { fields, Trouble, Twice, useAct } from '../panels/acts'
import { begin, controlTaker, stop } from './hand'
import { planUrl } from './parts'

const BYTES_MAX = 20 * 1024 * 1024
const MIB = 1024 * 1024
/** Which plan is being placed, with its pairs, and the spot that waits for its place on the map. */
const placing = signal<{ id: string; pairs: Control[]; spot: { x_px: number; y_px: number } | null } | null>(null)

function take(answer: unknown): Plan | null {
  if (!isRecord(answer)) return null
  const plan = decodePlan(answer)
  takeGround({ k: 'plan', plans: [plan], gone: [] })
  return plan
}

export function PlansTab() {
  const sorted = [...plans.value].sort((a, b) => a.site.localeCompare(b.site) || a.level - b.level || a.name.localeCompare(b.name))
  return (
    <>
      {may('zones') && <Upload />}
      {sorted.length === 0 ? <p class="hint none">{t('plans_none')}</p> : sorted.map((plan) => <Row key={plan.id} plan={plan} />)}
    </>
  )
}

function Upload() {
  const { busy, trouble, run } = useAct()
  const too = useSignal('')
  const submit = (event: Event): void => {
    const form = event.currentTarget as HTMLFormElement
    const said = fields(event)
    const file = (form.elements.namedItem('file') as HTMLInputElement).files?.[0]
    if (!file) return
    too.value = file.size > BYTES_MAX ? t('plan_too_large', { n: Math.ceil(file.size / MIB) }) : ''
    if (too.value !== '') return
    const query = new URLSearchParams({ name: said.name || file.name.slice(0, 80), site: said.site ?? '', level: said.level || '0', source: file.name.slice(0, 200) })
    void run(async () => {
      const plan = take(await send<unknown>('POST', `/plans?${query}`, file))
      form.reset()
      if (plan && plan.placed === null) placing.value = { id: plan.id, pairs: [], spot: null }
    })
  }
  return (
    <form class="making" onSubmit={submit}>
      <label class="entry"><span>{t('plan_file')}</span><input type="file" name="file" data-testid="plan-file" required accept=".png,.jpg,.jpeg,.pdf,.tif,.tiff" /></label>
      <div class="quick">
        <input name="name" data-testid="plan-name" maxlength={80} aria-label={t('plan_name')} placeholder={t('plan_name')} />
        <input name="site" maxlength={80} aria-label={t('plan_site')} placeholder={t('plan_site')} />
        <input name="level" type="number" min={-50} max={500} aria-label={t('plan_level')} placeholder={t('plan_level')} />
        <button class="main" data-testid="plan-upload" disabled={busy.value}>{t('plan_upload')}</button>
      </div>
      {too.value !== '' && <p class="trouble" role="alert">{too.value}</p>}
      <Trouble words={trouble} />
    </form>
  )
}

function Row({ plan }: { plan: Plan }) {
  const { busy, trouble, run } = useAct()
  const open = placing.value?.id === plan.id
  const { placed } = plan
  const drop = (): void => void run(async () => {
    await ask('DELETE', `/plans/${plan.id}`)
    takeGround({ k: 'plan', plans: [], gone: [plan.id] })
  })
  const n = plan.controls.length
  return (
    <article class="layer" data-testid="plan-row" data-placed={placed !== null}>
      <b>{plan.site} {t('plan_level_n', { n: plan.level })} · {plan.name}</b>
      <p class="hint">{plan.source} · {plan.by}{placed === null && ` · ${plan.note || t('plan_not_placed')}`}</p>
      {placed && <p class="hint" data-testid="plan-fit">{placed.rms_m === null ? t('plan_fit_two') : t('plan_fit', { n, m: placed.rms_m.toFixed(2) })}</p>}
      {placed?.undistorted_rms_m != null && placed.undistorted_rms_m > 1 + 2 * (placed.rms_m ?? 0) && <p class="warn">{t('plan_fit_bent', { m: placed.undistorted_rms_m.toFixed(1) })}</p>}
      {may('zones') && (
        <div class="quick">
          <button data-testid="plan-place" aria-pressed={open} onClick={() => (placing.value = open ? null : { id: plan.id, pairs: [...plan.controls], spot: null })}>{t('plan_place')}</button>
          <Twice data-testid="plan-delete" disabled={busy.value} onSure={drop}>{t('plan_delete')}</Twice>
        </div>
      )}
      {open && <Placing plan={plan} busy={busy.value} run={run} />}
      <Trouble words={trouble} />
    </article>
  )
}

function Placing({ plan, busy, run }: { plan: Plan; busy: boolean; run: (what: () => Promise<unknown>) => Promise<void> }) {
  const now = placing.value!
  const save = (pairs: Control[]): void => {
    placing.value = { ...now, pairs, spot: null }
    if (pairs.length < 2) return
    const { name, site, level, source } = plan
    void run(async () => take(await ask<unknown>('PUT', `/plans/${plan.id}`, { name, site, level, source, controls: pairs })))
  }
  const spot = (event: MouseEvent): void => {
    if (busy) return // the pair before is on its way, and the next one would be lost
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect()
    const at = { x_px: ((event.clientX - box.left) / box.width) * plan.width_px, y_px: ((event.clientY - box.top) / box.height) * plan.height_px }
    placing.value = { ...now, spot: at }
    begin('control')
    controlTaker.value = ([lon, lat]) => {
      stop()
      save([...now.pairs, { ...at, lon_deg: lon, lat_deg: lat }])
    }
  }
  const dots = [...now.pairs, ...(now.spot ? [now.spot] : [])]
  return (
    <div>
      <p>{now.spot ? t('plan_on_map') : t('plan_place_hint')}</p>
      <div class="plan-picture" data-testid="plan-picture" onClick={spot}>
        <img src={planUrl(plan)} alt={plan.name} draggable={false} />
        {dots.map(({ x_px, y_px }, i) => <i key={i} style={{ left: `${(100 * x_px) / plan.width_px}%`, top: `${(100 * y_px) / plan.height_px}%` }}>{i + 1}</i>)}
      </div>
      <div class="quick">
        <span>{t('plan_pairs', { n: now.pairs.length })}</span>
        <button disabled={busy || now.pairs.length === 0} onClick={() => save(now.pairs.slice(0, -1))}>{t('plan_pair_drop')}</button>
      </div>
    </div>
  )
}
