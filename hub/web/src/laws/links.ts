/**
 * All gateways' bearers in a few lines: by group of YJ/T 27-2024 and by kind, how many carry, and who is worst off.
 *
 * Enters: `GET /links`. Leaves: sums. Pure. Called by `links/LinkBoard.tsx`.
 */
import type { DeviceLinks, Link } from '../api/http'
import type { NetGroup } from '../feed/readiness'

/** What gateways tell of is the sensing net, but for BeiDou short messages, which have a group of their own. */
export const groupOf = (bearer: string): NetGroup => (bearer === 'rdss' ? 'beidou' : 'sensing')

export interface BearerSum { bearer: string; group: NetGroup; up: number; held: number; down: number; delay_ms: number | null; loss_permille: number | null; backlog_rows: number }

const median = (list: number[]): number | null => {
  const order = [...list].sort((a, b) => a - b)
  return order.length === 0 ? null : order[order.length >> 1]!
}
const told = (links: readonly Link[], name: 'delay_ms' | 'loss_permille'): number[] => links.flatMap((link) => link[name] ?? [])

/** One line a kind of bearer, in the order in which they came. A bearer that is switched off is in no count. */
export function sums(devices: readonly DeviceLinks[]): BearerSum[] {
  const by = new Map<string, Link[]>()
  for (const link of devices.flatMap(({ links }) => links)) {
    if (link.state !== 'off') by.set(link.bearer, [...(by.get(link.bearer) ?? []), link])
  }
  return [...by].map(([bearer, links]) => {
    const losses = told(links, 'loss_permille')
    return {
      bearer, group: groupOf(bearer), up: links.filter(({ state }) => state === 'up').length, held: links.filter(({ state }) => state === 'held').length,
      down: links.filter(({ state }) => state === 'down' || state === 'connecting').length, delay_ms: median(told(links, 'delay_ms')),
      loss_permille: losses.length === 0 ? null : Math.max(...losses), backlog_rows: links.reduce((sum, { backlog_rows: rows }) => sum + (rows ?? 0), 0),
    }
  })
}

export const carries = ({ links }: DeviceLinks): boolean => links.some(({ state }) => state === 'up')
const waiting = ({ links }: DeviceLinks): number => Math.max(0, ...links.map(({ backlog_rows: rows }) => rows ?? 0))

/** Gateways that a communications officer looks at first: nothing carries, then what waits longest. Those that are well are left out. */
export function worst(devices: readonly DeviceLinks[], most: number): DeviceLinks[] {
  return devices.filter((device) => device.links.length > 0 && (!carries(device) || device.links.some(({ state }) => state === 'down') || waiting(device) > 60))
    .sort((a, b) => Number(carries(a)) - Number(carries(b)) || waiting(b) - waiting(a) || a.device - b.device).slice(0, most)
}
