/** Which layers lie on the map: where a bearer is heard, and what share of a segment is searched. */
import { layers, toggleLayer } from '../app/layers'
import { t } from '../i18n'
import { Trouble, useAct } from '../panels/acts'

export function Coverage() {
  const { busy, trouble, run } = useAct()
  return (
    <div class="board">
      {(['signal', 'search'] as const).map((name) => {
        const now = layers.value[name]
        return (
          <div key={name}>
            <label class="check"><input type="checkbox" data-testid={`layer-${name}`} checked={now !== null} disabled={busy.value} onChange={() => void run(() => toggleLayer(name))} />{t(`layer_${name}`)}</label>
            {now !== null && now.features.length === 0 && <p class="hint">{t(`layer_${name}_none`)}</p>}
            {now !== null && now.features.length > 0 && <p class="hint">{t('layer_n', { n: now.features.length })}</p>}
          </div>
        )
      })}
      <Trouble words={trouble} />
    </div>
  )
}
