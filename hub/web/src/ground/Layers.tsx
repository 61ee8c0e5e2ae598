/** Which layers lie on the map: each with its source, time and coordinates, on or off, more or less opaque. */
import type { ComponentChildren } from 'preact'
import { clock, pulse } from '../app/core'
import { drawings, isOff, opacityOf, plans, prefs, setPrefs, type Prefs } from '../app/ground'
import { layers as asked, toggleLayer } from '../app/layers'
import { has } from '../app/parts'
import { zones } from '../app/safety'
import { lang, t } from '../i18n'
import { ageS } from '../laws/contact'
import { ageText, clockText } from '../laws/words'
import { Trouble, useAct } from '../panels/acts'
import { isBase, maps, mapsTrouble, type MapInfo } from './maps'
import { demMap } from './parts'
import { Dropping } from './Dropping'

export const nameOf = (map: MapInfo): string => (lang.value === 'zh' ? map.name : map.name_en)

/** All that has to stand beside a map that is shown or printed. */
export const factsOf = (map: MapInfo): string => `${nameOf(map)} · ${aboutOf(map)}`

function aboutOf(map: MapInfo): string {
  return [
    map.attribution, map.source && t('layer_source', { words: map.source }), map.date && t('layer_date', { words: map.date }),
    t('layer_crs', { words: t(`crs_${map.crs}`) }), map.approval ? t('layer_approval', { words: map.approval }) : t('layer_no_approval'),
  ].filter((words) => words !== '').join(' · ')
}

export function setOff(layer: string, off: boolean): void {
  const others = prefs.peek().off.filter((name) => name !== layer)
  setPrefs({ off: off ? [...others, layer] : others })
}

/** `data-testid` is `layer-` and its name. */
export function LayerRow({ name, title, about, children }: { name: string; title: string; about: string; children?: ComponentChildren }) {
  return (
    <div class="layer" data-testid={`layer-${name}`}>
      <label class="check"><input type="checkbox" checked={!isOff(name)} onChange={(event) => setOff(name, !event.currentTarget.checked)} />{title}</label>
      <Opacity name={name} title={title} />
      <p class="hint">{about}{children}</p>
    </div>
  )
}

export function Opacity({ name, title }: { name: string; title: string }) {
  const set = (value: number): void => setPrefs({ opacity: { ...prefs.peek().opacity, [name]: value } })
  return <input type="range" min={0.1} max={1} step={0.05} aria-label={t('layer_opacity', { name: title })} title={t('layer_opacity', { name: title })} value={opacityOf(name)} onInput={(event) => set(Number(event.currentTarget.value))} />
}

export function Layers() {
  return (
    <>
      <Bases />
      <Heights />
      <Overlays />
      <Dropping />
      <Style />
    </>
  )
}

function Bases() {
  const bases = maps.value.filter(isBase)
  const chosen = prefs.value.base
  const gone = chosen !== '' && maps.value.length > 0 && !bases.some(({ id }) => id === chosen)
  return (
    <fieldset class="bases">
      <legend>{t('base_map')}</legend>
      <Base id="" title={t('base_none')} about={`${t('layer_crs', { words: t('crs_wgs84') })} · ${t('map_note')}`} />
      {bases.map((map) => <Base key={map.id} id={map.id} title={nameOf(map)} about={aboutOf(map)} map={map} />)}
      {gone && <p class="warn" role="status">{t('base_gone', { id: chosen })}</p>}
      {maps.value.length === 0 && mapsTrouble.value === '' && <p class="hint">{t('base_none_why')}</p>}
      {mapsTrouble.value !== '' && <p class="warn" role="status">{t('maps_failed', { why: mapsTrouble.value })}</p>}
    </fieldset>
  )
}

function Base({ id, title, about, map }: { id: string; title: string; about: string; map?: MapInfo }) {
  return (
    <div class="layer">
      <label class="check"><input type="radio" name="base" data-testid={`base-${id || 'none'}`} checked={prefs.value.base === id} onChange={() => setPrefs({ base: id })} />{title}</label>
      {map && prefs.value.base === id && <Opacity name="base" title={title} />}
      <p class="hint">{about}</p>
      {map && !map.reachable && <p class="warn" role="status">{t(map.form === 'web' ? 'base_failing' : 'base_broken', { why: map.failing })}</p>}
    </div>
  )
}

function Heights() {
  const dem = demMap()
  if (!dem) return null
  return (
    <div class="layer">
      <label class="check"><input type="checkbox" data-testid="relief" checked={prefs.value.relief} onChange={() => setPrefs({ relief: !prefs.peek().relief })} />{t('relief')}</label>
      <Opacity name="relief" title={t('relief')} />
      <label class="check"><input type="checkbox" data-testid="contours" disabled={dem.form === 'pmtiles'} checked={prefs.value.contours && dem.form !== 'pmtiles'} onChange={() => setPrefs({ contours: !prefs.peek().contours })} />{t('contours')}</label>
      <p class="hint">{factsOf(dem)}{dem.form === 'pmtiles' && ` · ${t('contours_not')}`}</p>
    </div>
  )
}

const WGS84 = (): string => t('layer_crs', { words: t('crs_wgs84') })

function Overlays() {
  void pulse.value
  const newest = drawings.value.reduce((most, { t_utc_ms }) => Math.max(most, t_utc_ms), 0)
  const since = newest === 0 ? '' : ` · ${t('as_of', { age: ageText(ageS(clock.now(), newest)) })}`
  const from = t('layer_source', { words: t('hub_source') })
  return (
    <>
      <LayerRow name="drawings" title={`${t('layer_drawings')} ${t('n_of_them', { n: drawings.value.length })}`} about={`${from}${since} · ${WGS84()}`} />
      <LayerRow name="trails" title={t('layer_trails')} about={`${from} · ${WGS84()}`} />
      {has('zones') && <LayerRow name="zones" title={`${t('layer_zones')} ${t('n_of_them', { n: zones.value.length })}`} about={`${from} · ${WGS84()}`} />}
      {plans.value.filter(({ placed }) => placed).map((plan) => (
        <LayerRow
          key={plan.id} name={`plan:${plan.id}`} title={`${plan.site} ${t('plan_level_n', { n: plan.level })} ${plan.name}`}
          about={`${t('layer_plans')} · ${plan.source || plan.by} · ${new Date(plan.t_utc_ms).toLocaleDateString()} ${clockText(plan.t_utc_ms)} · ${WGS84()}`}
        />
      ))}
      {has('search') && <Asked />}
    </>
  )
}

/** Layers that the hub makes when they are asked for. */
function Asked() {
  const { busy, trouble, run } = useAct()
  return (
    <>
      {(['signal', 'search'] as const).map((name) => (
        <div class="layer" key={name}>
          <label class="check"><input type="checkbox" checked={asked.value[name] !== null} disabled={busy.value} onChange={() => void run(() => toggleLayer(name))} />{t(`layer_${name}`)}</label>
          <p class="hint">{t('layer_source', { words: t(`hub_${name}`) })} · {WGS84()}</p>
        </div>
      ))}
      <Trouble words={trouble} />
    </>
  )
}

function Style() {
  const choice = <K extends 'place' | 'angle'>(key: K, all: readonly Prefs[K][]): preact.JSX.Element => (
    <label class="entry"><span>{t(`${key}_style`)}</span>
      <select data-testid={`${key}-style`} value={prefs.value[key]} onChange={(event) => setPrefs({ [key]: event.currentTarget.value as Prefs[K] })}>
        {all.map((one) => <option key={one} value={one}>{t(`${key}_${one}` as 'place_dms')}</option>)}
      </select>
    </label>
  )
  return (
    <div class="layer styles">
      <label class="check"><input type="checkbox" data-testid="grid" checked={prefs.value.grid} onChange={() => setPrefs({ grid: !prefs.peek().grid })} />{t('grid')}</label>
      {choice('place', ['decimal', 'dms', 'mgrs'])}
      {choice('angle', ['deg', 'mil6000', 'mil6400'])}
    </div>
  )
}
