/** In the bar: the safety drawer, and what in it cannot wait: a team that must turn back, who has not answered. */
import { air, evacuations, rolls } from '../app/safety'
import { pane, togglePane, type Tab } from '../app/pane'
import { tabs } from '../app/parts'
import { missingOf } from '../laws/people'
import { t } from '../i18n'

function news(): { words: string; at: Tab } | null {
  const retreat = air.value?.find((team) => team.retreat?.recommend)
  if (retreat) return { words: t('chip_retreat', { name: retreat.name }), at: 'air' }
  const evacuation = evacuations.value.find(({ over, not }) => !over && not.length > 0)
  if (evacuation) return { words: t('chip_not_out', { n: evacuation.not.length }), at: 'evacuation' }
  const roll = rolls.value.find(({ ended }) => ended === null)
  const missing = roll ? missingOf(roll) : 0
  return roll && missing > 0 ? { words: t('chip_roll', { n: missing }), at: 'roll' } : null
}

export function SafetyChip() {
  const said = news()
  if (tabs().length === 0) return null
  return (
    <button class={`key-chip safety-chip ${said ? 'under-way' : ''}`} data-testid="safety-chip" title={t('safety_key')} aria-expanded={pane.value === 'safety'} onClick={() => togglePane('safety', said?.at)}>
      {t('safety')}{said && <b class="news">{said.words}</b>}
    </button>
  )
}
