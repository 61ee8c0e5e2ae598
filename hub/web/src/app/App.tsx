/** The page: bar, banner and alarms on top, then list, map and drawer side by side. */
import { door, line, selectedId } from './core'
import { listOpen } from './listState'
import { AlarmStrip } from '../panels/AlarmStrip'
import { Banner } from '../panels/Banner'
import { MapPane } from '../panels/MapPane'
import { SignIn } from '../panels/SignIn'
import { TopBar } from '../panels/TopBar'
import { UnitDetail } from '../panels/UnitDetail'
import { UnitList } from '../panels/UnitList'

export function App() {
  if (door.value !== 'in') return <SignIn />
  return (
    <div class={`page ${selectedId.value === null ? '' : 'with-detail'} ${line.value === 'live' ? '' : 'not-live'} ${listOpen.value ? 'list-open' : ''}`}>
      <TopBar />
      <div class="notices">
        <Banner />
        <AlarmStrip />
      </div>
      <main class="body">
        <UnitList />
        <MapPane />
        <UnitDetail />
      </main>
    </div>
  )
}
