/** What a person does about an alarm. Each gives the hub's answer, or raises ApiError. */
import { ask, seeEvent } from '../api/http'
import { decodeAlarm } from '../feed/decodeSafety'
import { isRecord } from '../feed/raw'
import { topCalling, type Shown } from '../laws/alarms'
import { clock, openAlarms, store } from './core'
import { maySee } from './session'
import { takeAlarm } from './safety'

const path = (id: string): string => `/alarms/${encodeURIComponent(id)}`

/** I have seen it. One that only the picture tells of has nothing but its events at the hub. */
export async function acknowledge(alarm: Shown): Promise<void> {
  if (alarm.told) return heard(await ask('POST', `${path(alarm.id)}/acknowledge`))
  await Promise.all(alarm.events.filter(({ seen }) => !seen).map(({ id }) => seeEvent(id)))
}

export const shelve = async (id: string, minutes: number, why: string): Promise<void> => heard(await ask('POST', `${path(id)}/shelve`, { minutes, why }))
export const unshelve = async (id: string): Promise<void> => heard(await ask('POST', `${path(id)}/unshelve`))
export const closeAlarm = async (id: string, why: string): Promise<void> => heard(await ask('POST', `${path(id)}/close`, { why }))

function heard(answer: unknown): void {
  if (isRecord(answer) && typeof answer.id === 'string' && answer.priority !== undefined) takeAlarm(decodeAlarm(answer))
}

/** Of which team an alarm is: a leader may answer for their own only. */
export function teamOf({ slots }: Pick<Shown, 'slots'>): string {
  return slots.length === 0 ? '' : (store.meta(slots[0]!)?.team ?? '')
}

/** `space`: the first that calls and that this person may answer; false when there is none. */
export function answerTop(): boolean {
  const top = topCalling(openAlarms.peek().filter((alarm) => maySee(teamOf(alarm))), clock.now())
  if (top) void acknowledge(top).catch((error: unknown) => console.warn(`alarm ${top.id}: ${String(error)}`))
  return top !== undefined
}
