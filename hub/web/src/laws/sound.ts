/** Which tone is due. Pure: every function takes the time. One tone at a time, that of the gravest that calls. */
import { isCalling, type Shown } from './alarms'
import type { Priority } from '../feed/safety'

/** How often a tone comes again while nobody answers, ms; Infinity: once for each new alarm. */
export const AGAIN_MS: Record<Priority, number> = { 1: 2_500, 2: 10_000, 3: Infinity, 4: Infinity }

export interface Played { priority: Priority; at: number; ids: ReadonlySet<string> }

/** Whether an alarm calls a role aloud; one that names nobody calls everybody, and so does one to a person without a role. */
export const callsMe = ({ calls }: Pick<Shown, 'calls'>, role: string): boolean => calls.length === 0 || role === '' || calls.includes(role)

/** The tone to play now, or null. A graver one does not wait for the one before; the same one comes at its own pace. */
export function due(alarms: readonly Shown[], now: number, before: Played | null, role = ''): Priority | null {
  const calling = alarms.filter((alarm) => alarm.sound && isCalling(alarm, now) && callsMe(alarm, role))
  if (calling.length === 0) return null
  const gravest = Math.min(...calling.map(({ priority }) => priority)) as Priority
  if (before === null || gravest < before.priority) return gravest
  const isNew = calling.some(({ id, priority }) => priority === gravest && !before.ids.has(id))
  if (isNew && now - before.at >= Math.min(AGAIN_MS[gravest], 1_500)) return gravest
  return now - before.at >= AGAIN_MS[gravest] ? gravest : null
}

/** One beep: Hz, begin and length in s. Graver is higher, longer and quicker. */
export type Beep = readonly [number, number, number]

export const TONES: Record<Priority, readonly Beep[]> = {
  1: [[960, 0, 0.16], [1280, 0.18, 0.16], [960, 0.36, 0.16], [1280, 0.54, 0.16], [960, 0.72, 0.16], [1280, 0.9, 0.28]],
  2: [[780, 0, 0.22], [780, 0.32, 0.22], [780, 0.64, 0.22]],
  3: [[620, 0, 0.2], [520, 0.26, 0.3]],
  4: [[480, 0, 0.18]],
}
