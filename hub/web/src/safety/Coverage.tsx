/** Which layers lie on the map: where a bearer is heard, and what share of a segment is searched. */
import { bearer, holes, layers, loadLayer, toggleLayer, type Layer } from '../app/layers'
import { t } from '../i18n'
import { Trouble, useAct } from '../panels/acts'
import { Searches } from './Searches'

const BEARERS = ['mqtt', 'datagram', 'mesh', 'rdss', 'relay']
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)

export function Coverage() {
  const { busy, trouble, run } = useAct()
  const { signal, search } = layers.value
  return (
    <div class="board">
      <label class="check"><input type="checkbox" data-testid="layer-signal" checked={signal !== null} disabled={busy.value} onChange={() => void run(() => toggleLayer('signal'))} />{t('layer_signal')}</label>
      {signal !== null && <Cells layer={signal} busy={busy.value} again={() => void run(() => loadLayer('signal'))} />}
      <label class="check"><input type="checkbox" data-testid="layer-search" checked={search !== null} disabled={busy.value} onChange={() => void run(() => toggleLayer('search'))} />{t('layer_search')}</label>
      {search !== null && <Searches layer={search} />}
      <Trouble words={trouble} />
    </div>
  )
}

function Cells({ layer, busy, again }: { layer: Layer; busy: boolean; again: () => void }) {
  const inputs = (layer.about.inputs ?? {}) as Record<string, unknown>
  const [unplaced, more] = [numberOf(inputs.samples_without_place), numberOf(layer.about.left_out)]
  const choose = (name: string): void => {
    bearer.value = name
    again()
  }
  return (
    <div data-testid="signal">
      <div class="line">
        <label class="entry"><span>{t('bearer')}</span>
          <select value={bearer.value} data-testid="bearer" onChange={(event) => choose(event.currentTarget.value)}>
            <option value="">{t('bearer_all')}</option>
            {BEARERS.map((name) => <option key={name} value={name}>{name.toUpperCase()}</option>)}
          </select>
        </label>
        <button type="button" disabled={busy} onClick={again}>{t('layer_refresh')}</button>
      </div>
      {layer.features.length === 0
        ? <p class="hint">{t('layer_signal_none')}</p>
        : <p class="hint" data-testid="cells">{t('cells_n', { n: layer.features.length, holes: holes(layer) })}</p>}
      {more > 0 && <p class="hint">{t('cells_left_out', { n: more })}</p>}
      {unplaced > 0 && <p class="hint">{t('samples_without_place', { n: unplaced })}</p>}
      <ul class="legend"><li>{t('legend_hole')}</li><li>{t('legend_up')}</li><li>{t('legend_nobody')}</li></ul>
    </div>
  )
}
