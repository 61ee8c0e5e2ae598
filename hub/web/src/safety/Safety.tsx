/** The drawer of safety: one tab a board. Loaded when it is first opened. */
import { pane, tab, type Tab } from '../app/pane'
import { tabs } from '../app/parts'
import { t } from '../i18n'
import { AirBoard } from './AirBoard'
import { Coverage } from './Coverage'
import { Evacuations } from './Evacuations'
import { RollCalls } from './RollCalls'
import { Rules } from './Rules'
import { Stations } from './Stations'
import { Warnings } from './Warnings'
import { Zones } from './Zones'

const BOARDS: Record<Tab, () => preact.JSX.Element> = {
  air: AirBoard, roll: RollCalls, evacuation: Evacuations, zones: Zones, warnings: Warnings, stations: Stations, rules: Rules, coverage: Coverage,
}

export function Safety() {
  const shown = tabs()
  const at = shown.includes(tab.value) ? tab.value : shown[0]
  const Board = at && BOARDS[at]
  return (
    <aside class="detail safety" data-testid="safety" aria-label={t('safety')}>
      <div class="title">
        <h2>{t('safety')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <nav class="tabs">
        {shown.map((name) => <button key={name} data-testid={`tab-${name}`} aria-current={at === name ? 'true' : undefined} onClick={() => (tab.value = name)}>{t(`tab_${name}`)}</button>)}
      </nav>
      {Board ? <Board /> : <p class="hint">{t('safety_none')}</p>}
    </aside>
  )
}
