/**
 * Orders as a screen keeps them, and who has not answered. Pure.
 *
 * Enters: `order` and `receipts` of the feed, and answers of the hub. Leaves: orders, newest first. Bound: ORDERS_MAX.
 */
import { RECEIPTS, type OrderMessage, type OrderTarget, type OrderType, type Receipt, type ReceiptsMessage, type TargetState } from './messages'

const ORDERS_MAX = 100
const NEVER_LATE: ReadonlySet<OrderType> = new Set(['evacuate', 'retreat'])
/** Nobody who is in one of these has the order. */
const MISSING: ReadonlySet<TargetState> = new Set(['no_device', 'waiting', 'sent', 'expired'])
/** Whoever needs somebody comes first. */
const PLACE: Record<TargetState, number> = {
  no_device: 0, waiting: 1, sent: 2, expired: 3, refused: 4, received: 5, shown: 6, accepted: 7, answered: 8, done: 9, lifted: 10,
}

/** A full message replaces the order; receipts change some of its units. What is not known yet is not made up. */
export function withOrder(orders: readonly OrderMessage[], message: OrderMessage | ReceiptsMessage): OrderMessage[] {
  if (message.k === 'order') {
    const others = orders.filter(({ seq }) => seq !== message.seq)
    return [message, ...others].sort((a, b) => b.seq - a.seq).slice(0, ORDERS_MAX)
  }
  const said = new Map(message.targets.map((target) => [target.unit, target]))
  return orders.map((order) => order.seq !== message.seq ? order : { ...order, targets: order.targets.map((target) => said.get(target.unit) ?? target) })
}

/** The hub does not tell that time passed. */
export function stateNow(order: OrderMessage, target: OrderTarget, now: number): TargetState {
  const over = !NEVER_LATE.has(order.type) && now > order.expires_utc_ms
  return over && (target.state === 'waiting' || target.state === 'sent' || target.state === 'no_device') ? 'expired' : target.state
}

/** A roll-call is done when it is answered; of everything else it counts that the device has it. */
export function isReached(order: OrderMessage, target: OrderTarget, now: number): boolean {
  return order.type === 'roll_call' ? Boolean(target.answered) : !MISSING.has(stateNow(order, target, now))
}

export interface Tally { reached: number; of: number; said: Partial<Record<Receipt, number>>; lifted: number }

export function tally(order: OrderMessage, now: number): Tally {
  const sum: Tally = { reached: 0, of: order.targets.length, said: {}, lifted: 0 }
  for (const target of order.targets) {
    if (isReached(order, target, now)) sum.reached += 1
    if (target.state === 'lifted') sum.lifted += 1
    for (const name of RECEIPTS) if (target[name]) sum.said[name] = (sum.said[name] ?? 0) + 1
  }
  return sum
}

/** The missing first, each group by name. */
export function byNeed(order: OrderMessage, now: number, nameOf: (unit: string) => string): OrderTarget[] {
  const place = (target: OrderTarget): number => (isReached(order, target, now) ? 100 : 0) + PLACE[stateNow(order, target, now)]
  return [...order.targets].sort((a, b) => place(a) - place(b) || nameOf(a.unit).localeCompare(nameOf(b.unit), 'zh', { numeric: true }))
}

/** When a unit came to its state, hub ms; while it is missing, since the order was given. */
export function since(order: OrderMessage, target: OrderTarget): number {
  return target[target.state as Receipt]?.[1] ?? order.t
}
