/**
 * At the right edge: what can be opened, each with what in it cannot wait. Counted from the bottom, because the alarms
 * above push the top down, and a finger on its way must not find another button.
 */
import { openPalette, paletteOpen } from '../app/palette'
import { pane, togglePane } from '../app/pane'
import { t } from '../i18n'
import { AlarmsChip } from './AlarmsDrawer'
import { CommandChip } from './CommandDrawer'
import { Icon } from './icons'
import { OrdersChip } from './OrdersDrawer'
import { SafetyChip } from './SafetyChip'

function LinksChip() {
  return <button class="key-chip" data-testid="links-chip" title={t('links_key')} aria-expanded={pane.value === 'links'} onClick={() => togglePane('links')}>{t('links_board')}</button>
}

export function Rail() {
  return (
    <nav class="rail" aria-label={t('rail_label')}>
      <span class="gap" />
      <AlarmsChip />
      <OrdersChip />
      <SafetyChip />
      <LinksChip />
      <CommandChip />
      <button class="square" data-testid="palette-button" title={`${t('palette')}（Ctrl K）`} aria-label={t('palette')} aria-expanded={paletteOpen.value} onClick={openPalette}><Icon name="find" /></button>
      <button class="square" data-testid="help-button" title={`${t('help')}（?）`} aria-label={t('help')} aria-expanded={pane.value === 'help'} onClick={() => togglePane('help')}>?</button>
    </nav>
  )
}
