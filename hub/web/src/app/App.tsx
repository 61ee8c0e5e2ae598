/**
 * The page: bar, banner, alarms and notices on top; then list, map and drawer side by side, or the administration; the
 * time conductor below, always. Nothing lies over the alarms.
 */
import type { JSX } from 'preact'
import { door, line, oldPicture, selectedId } from './core'
import { lazily } from './lazily'
import { listOpen } from './listState'
import { updateReady, takeUpdate } from './offline'
import { pane, type Pane } from './pane'
import { height, held, phoneTab, SHARES } from './sheet'
import { replaying } from './timeline'
import { wall } from './theme'
import { t } from '../i18n'
import { AlarmsDrawer } from '../panels/AlarmsDrawer'
import { AlarmStrip } from '../panels/AlarmStrip'
import { Banner } from '../panels/Banner'
import { CommandDrawer } from '../panels/CommandDrawer'
import { Conductor } from '../panels/Conductor'
import { HelpDrawer } from '../panels/HelpDrawer'
import { MapPane } from '../panels/MapPane'
import { NoticeRows } from '../panels/NoticeRows'
import { OrdersDrawer } from '../panels/OrdersDrawer'
import { Palette } from '../panels/Palette'
import { PasswordOffer } from '../panels/PasswordOffer'
import { MoreDrawer, SheetGrip, TabBar } from '../panels/Phone'
import { Rail } from '../panels/Rail'
import { SettingsDrawer } from '../panels/SettingsDrawer'
import { SignIn } from '../panels/SignIn'
import { TopBar } from '../panels/TopBar'
import { UnitDetail } from '../panels/UnitDetail'
import { UnitList } from '../panels/UnitList'

/** Large, and not part of the first picture. */
const SafetyPane = lazily(() => import('../safety/Safety').then(({ Safety }) => Safety), (inside) => <aside class="detail safety">{inside}</aside>)
const LinksPane = lazily(() => import('../links/LinkBoard').then(({ LinkBoard }) => LinkBoard), (inside) => <aside class="detail links-board">{inside}</aside>)
/** Most people never open it. */
const AdminPane = lazily(() => import('../admin/Admin').then(({ Admin }) => Admin), (inside) => <section class="admin">{inside}</section>)

/** The administration is not one of them: it lies over list and map. */
const DRAWERS: Record<Exclude<Pane, 'admin'>, () => JSX.Element> = {
  command: CommandDrawer, orders: OrdersDrawer, alarms: AlarmsDrawer, safety: SafetyPane, links: LinksPane, settings: SettingsDrawer, help: HelpDrawer, more: MoreDrawer,
}

export function App() {
  if (door.value !== 'in' && oldPicture.value === null) return <SignIn />
  const open = pane.value
  const admin = open === 'admin'
  const Drawer = open === null || open === 'admin' ? UnitDetail : DRAWERS[open]
  const states = {
    giving: open === 'orders', 'with-detail': (open !== null && !admin) || selectedId.value !== null, 'not-live': line.value !== 'live',
    'list-open': listOpen.value, replaying: replaying.value, 'on-wall': wall.value,
  }
  const share = Number.isNaN(held.value) ? SHARES[height.value] : held.value
  return (
    <div class={`page tab-${phoneTab.value} ${Object.entries(states).map(([name, on]) => (on ? name : '')).join(' ')}`} style={{ '--sheet': `${(share * 100).toFixed(1)}%` }}>
      <Skips />
      <TopBar />
      <div class="notices">
        <Banner />
        <AlarmStrip />
        <NoticeRows />
        <Update />
        <PasswordOffer />
      </div>
      {/* The map stays, inert: making it anew costs a second, and nobody comes back to another view. */}
      <main class="body" inert={admin}>
        <UnitList />
        <MapPane />
        <Drawer />
        <Rail />
        <SheetGrip />
        <Palette />
      </main>
      {admin && <AdminPane />}
      <Conductor />
      <TabBar />
    </div>
  )
}

/** For who comes by the keyboard. */
function Skips() {
  const to = (selector: string) => (event: Event): void => {
    event.preventDefault()
    document.querySelector<HTMLElement>(selector)?.focus()
  }
  return (
    <nav class="skips" aria-label={t('skip_to_list')}>
      <a href="#alarms" onClick={to('.alarms')}>{t('skip_to_alarms')}</a>
      <a href="#list" onClick={to('.rows')}>{t('skip_to_list')}</a>
    </nav>
  )
}

/** A newer page is fetched and whole: it is put in when somebody says so, or when the page is next opened. */
function Update() {
  if (!updateReady.value) return null
  return <div class="offer" data-testid="update"><span>{t('update_ready')}</span><button onClick={takeUpdate}>{t('update_take')}</button></div>
}
