/** The page: bar, banner, alarms and notices on top; then list, map and drawer side by side, or the administration. */
import { signal } from '@preact/signals'
import { door, line, selectedId } from './core'
import { listOpen } from './listState'
import { pane } from './pane'
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
  const command = pane.value === 'command'
  const giving = pane.value === 'orders'
  const admin = pane.value === 'admin'
  return (
    <div class={`page ${giving ? 'giving' : ''} ${giving || command || selectedId.value !== null ? 'with-detail' : ''} ${line.value === 'live' ? '' : 'not-live'} ${listOpen.value ? 'list-open' : ''}`}>
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
        {command ? <CommandDrawer /> : giving ? <OrdersDrawer /> : <UnitDetail />}
      </main>
      {admin && <AdminPane />}
    </div>
  )
}

const Admin = signal<(() => preact.JSX.Element) | null>(null)

/** Most people never open it, so it is loaded when somebody does. */
function AdminPane() {
  const View = Admin.value
  if (View) return <View />
  void import('../admin/Admin').then((loaded) => (Admin.value = loaded.Admin))
  return <section class="admin" />
}
