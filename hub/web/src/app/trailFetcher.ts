/**
 * Fetches trails whose picture here is out of date: of the selected unit at once, of units in view a little later.
 *
 * Bound: IN_VIEW_MAX units, AT_ONCE requests. A unit that is not in view is fetched when it is selected. A request that
 * fails is not repeated by itself; the next change of `hist` asks again.
 */
import { trail } from '../api/http'
import type { HubClock } from '../feed/clock'
import type { Store } from '../feed/store'
import { POINTS_FULL, POINTS_SHORT } from '../feed/trails'

const SELECTED_MS = 60 * 60_000
const IN_VIEW_MS = 10 * 60_000
const IN_VIEW_MAX = 50
const AT_ONCE = 2
const GATHER_MS = 500

export class TrailFetcher {
  /** Tells which slots the map shows now; set by the map. */
  inView: () => { has(slot: number): boolean } = () => ({ has: () => false })
  onChange: () => void = () => undefined
  selected: number | undefined
  private gathering = new Set<number>()
  private queue = new Set<number>()
  private running = 0
  private timer = 0

  constructor(private readonly store: Store, private readonly clock: HubClock) {}

  select(slot: number | undefined): void {
    this.selected = slot
    if (slot !== undefined) void this.fetch(slot)
  }

  outdated(slots: readonly number[]): void {
    for (const slot of slots) this.gathering.add(slot)
    if (this.gathering.size > 0 && this.timer === 0) this.timer = window.setTimeout(() => this.gathered(), GATHER_MS)
  }

  private gathered(): void {
    this.timer = 0
    const view = this.inView()
    if (this.selected !== undefined && this.gathering.has(this.selected)) this.queue.add(this.selected)
    for (const slot of this.gathering) {
      if (this.queue.size < IN_VIEW_MAX && view.has(slot)) this.queue.add(slot)
    }
    this.gathering.clear()
    this.next()
  }

  private next(): void {
    while (this.running < AT_ONCE) {
      const slot = this.queue.values().next().value
      if (slot === undefined) return
      this.queue.delete(slot)
      void this.fetch(slot)
    }
  }

  private async fetch(slot: number): Promise<void> {
    const id = this.store.meta(slot)?.id
    if (id === undefined) return
    this.running += 1
    const full = slot === this.selected
    const now = this.clock.now()
    const points = full ? POINTS_FULL : POINTS_SHORT
    try {
      const columns = await trail(id, now - (full ? SELECTED_MS : IN_VIEW_MS), now, points)
      // A hub that restarted meanwhile may have given the slot to another unit.
      if (this.store.slotOf(id) === slot) this.store.trails.replace(slot, columns, points)
      this.onChange()
    } catch {
      // No trail is shown rather than a wrong one; the live points of the ticks stay.
    } finally {
      this.running -= 1
      this.next()
    }
  }
}
