/** The page: bar, banner, alarms and notices on top; then list, map and drawer side by side, or the administration. */
import { signal } from '@preact/signals'
import { door, line, selectedId } from './core'
import { listOpen } from './listState'
import { pane } from './pane'
import { AlarmsDrawer } from '../panels/AlarmsDrawer'
import { AlarmStrip } from '../panels/AlarmStrip'
import { Banner } from '../panels/Banner'
import { CommandDrawer } from '../panels/CommandDrawer'
import { MapPane } from '../panels/MapPane'
import { NoticeRows } from '../panels/NoticeRows'
import { OrdersDrawer } from '../panels/OrdersDrawer'
import { PasswordOffer } from '../panels/PasswordOffer'
import { SignIn } from '../panels/SignIn'
import { TopBar } from '../panels/TopBar'
import { UnitDetail } from '../panels/UnitDetail'
import { UnitList } from '../panels/UnitList'

export function App() {
  if (door.value !== 'in') return <SignIn />
  const open = pane.value
  const giving = open === 'orders'
  const admin = open === 'admin'
  const drawer = open !== null && !admin
  return (
    <div class={`page ${giving ? 'giving' : ''} ${drawer || selectedId.value !== null ? 'with-detail' : ''} ${line.value === 'live' ? '' : 'not-live'} ${listOpen.value ? 'list-open' : ''}`}>
      <TopBar />
      <div class="notices">
        <Banner />
        <AlarmStrip />
        <NoticeRows />
        <PasswordOffer />
      </div>
      {/* The map stays, inert: making it anew costs a second, and nobody comes back to another view. */}
      <main class="body" inert={admin}>
        <UnitList />
        <MapPane />
        {open === 'command' ? <CommandDrawer /> : giving ? <OrdersDrawer /> : open === 'alarms' ? <AlarmsDrawer /> : open === 'safety' ? <SafetyPane /> : open === 'links' ? <LinksPane /> : <UnitDetail />}
      </main>
      {admin && <AdminPane />}
    </div>
  )
}

const Safety = signal<(() => preact.JSX.Element) | null>(null)

/** Large, and not part of the first picture. */
function SafetyPane() {
  const View = Safety.value
  if (View) return <View />
  void import('../safety/Safety').then((loaded) => (Safety.value = loaded.Safety))
  return <aside class="detail safety" />
}

const Links = signal<(() => preact.JSX.Element) | null>(null)

function LinksPane() {
  const View = Links.value
  if (View) return <View />
  void import('../links/LinkBoard').then((loaded) => (Links.value = loaded.LinkBoard))
  return <aside class="detail links-board" />
}

const Admin = signal<(() => preact.JSX.Element) | null>(null)

/** Most people never open it, so it is loaded when somebody does. */
function AdminPane() {
  const View = Admin.value
  if (View) return <View />
  void import('../admin/Admin').then((loaded) => (Admin.value = loaded.Admin))
  return <section class="admin" />
}
