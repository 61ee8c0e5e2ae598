/** What only a phone has: the handle of the sheet, the bar of four tabs, and "more" with what the bar has no room for. */
import { useRef } from 'preact/hooks'
import { openAlarms, clock, pulse } from '../app/core'
import { pane } from '../app/pane'
import { height, held, letGo, nextHeight, openTab, PHONE_TABS, phoneTab, type PhoneTab } from '../app/sheet'
import { t } from '../i18n'
import { isCalling } from '../laws/alarms'
import { CommandChip } from './CommandDrawer'
import { Icon, type IconName } from './icons'
import { OrdersChip } from './OrdersDrawer'
import { SafetyChip } from './SafetyChip'
import { Settings } from './SettingsDrawer'

const ICONS: Record<PhoneTab, IconName> = { map: 'map', alarms: 'bell', people: 'people', more: 'more' }
/** Less than this was a tap. */
const TAP_PX = 6

export function SheetGrip() {
  const from = useRef<{ y: number; moved: boolean } | null>(null)
  // A click follows each drag.
  const dragged = useRef(false)
  const shareAt = (y: number, body: Element): number => {
    const { top, height: px } = body.getBoundingClientRect()
    return Math.min(0.98, Math.max(0, 1 - (y - top) / px))
  }
  return (
    <button class="sheet-grip" data-testid="sheet-grip" aria-label={t('sheet_height', { height: t(`sheet_${height.value}`) })}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        from.current = { y: event.clientY, moved: false }
      }}
      onPointerMove={(event) => {
        if (!from.current || (!from.current.moved && Math.abs(event.clientY - from.current.y) < TAP_PX)) return
        from.current.moved = true
        held.value = shareAt(event.clientY, event.currentTarget.closest('.body')!)
      }}
      onPointerUp={() => {
        dragged.current = from.current?.moved ?? false
        if (dragged.current) letGo(held.value)
        from.current = null
      }}
      onPointerCancel={() => { from.current = null; held.value = NaN }}
      onClick={() => {
        if (!dragged.current) nextHeight()
        dragged.current = false
      }}>
      <i aria-hidden="true" />
    </button>
  )
}

export function TabBar() {
  void pulse.value
  const calling = openAlarms.value.filter((alarm) => isCalling(alarm, clock.now())).length
  return (
    <nav class="tab-bar" data-testid="tab-bar" aria-label={t('more')}>
      {PHONE_TABS.map((one) => (
        <button key={one} data-testid={`phone-${one}`} aria-current={phoneTab.value === one ? 'page' : undefined} onClick={() => openTab(one)}>
          <Icon name={ICONS[one]} size={24} />{t(`tab_${one}`)}
          {one === 'alarms' && calling > 0 && <b class="calling">{calling}</b>}
        </button>
      ))}
    </nav>
  )
}

export function MoreDrawer() {
  return (
    <aside class="detail more-drawer" data-testid="more" aria-label={t('more')}>
      <div class="title">
        <h2>{t('more')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <div class="more-chips"><OrdersChip /><SafetyChip /><CommandChip /></div>
      <Settings />
    </aside>
  )
}
