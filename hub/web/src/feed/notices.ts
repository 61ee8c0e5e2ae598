/**
 * Security notices, as rows of the strip.
 *
 * Enters: `notice`, each time it is new, grows or is taken. Leaves: open ones, the latest first, and for a while who took
 * one. Bound: NOTICES_MAX; beyond, the oldest goes.
 */
import type { Notice } from './messages'

const NOTICES_MAX = 200
/** So long a taken one still says by whom, so that two people do not run for the same. */
const TAKEN_MS = 30_000

export class Notices {
  private rows = new Map<string, { notice: Notice; takenAt: number }>()

  clear(): void {
    this.rows.clear()
  }

  /** `now`: hub time. */
  apply(notice: Notice, now: number): void {
    const before = this.rows.get(notice.id)
    const takenAt = notice.taken_by === '' ? NaN : Number.isNaN(before?.takenAt ?? NaN) ? now : before!.takenAt
    this.rows.delete(notice.id)
    this.rows.set(notice.id, { notice, takenAt })
    if (this.rows.size > NOTICES_MAX) this.rows.delete(this.rows.keys().next().value!)
  }

  shown(now: number): Notice[] {
    for (const [id, { takenAt }] of this.rows) if (now - takenAt > TAKEN_MS) this.rows.delete(id)
    const open = [...this.rows.values()].map(({ notice }) => notice)
    const rank = (notice: Notice): number => (notice.taken_by === '' ? 0 : 1)
    return open.sort((a, b) => rank(a) - rank(b) || b.last_utc_ms - a.last_utc_ms)
  }
}
