import { describe, expect, it } from 'vitest'
import { encode } from '@msgpack/msgpack'
import { signedOrder } from '../src/command/order'
import { decode, FeedError } from '../src/feed/decode'
import type { OrderMessage, OrderTarget, ReceiptsMessage } from '../src/feed/messages'
import { byNeed, isReached, since, stateNow, tally, withOrder } from '../src/feed/orders'

const T = 1_795_000_000_000
const target = (unit: string, state: OrderTarget['state'], more: Partial<OrderTarget> = {}): OrderTarget => ({ unit, state, sent: 1, ...more })
const order = (type: OrderMessage['type'], targets: OrderTarget[], seq = T): OrderMessage => ({
  k: 'order', seq, id: 'a', type, target: 'all', text: '', lat: null, lon: null, break_glass: null, issuer: '王海', role: 'commander', by: ['王海'],
  t: T, expires_utc_ms: T + 60_000, targets,
})

describe('orders', () => {
  it('the newest first, a full one replaces, receipts change single units, and what is unknown is not made up', () => {
    const first = order('text', [target('u1', 'sent'), target('u2', 'sent')], T)
    let all = withOrder(withOrder([], first), order('task', [], T + 1))
    expect(all.map(({ seq }) => seq)).toEqual([T + 1, T])
    const news: ReceiptsMessage = { k: 'receipts', seq: T, targets: [target('u2', 'shown'), target('u9', 'done')] }
    all = withOrder(all, news)
    expect(all[1]!.targets.map(({ unit, state }) => [unit, state])).toEqual([['u1', 'sent'], ['u2', 'shown']])
    expect(withOrder([], news)).toEqual([])
    expect(withOrder(all, order('text', [], T))[1]!.targets).toEqual([])
  })

  it('is bounded', () => {
    let all: OrderMessage[] = []
    for (let i = 0; i < 120; i++) all = withOrder(all, order('text', [], T + i))
    expect([all.length, all[0]!.seq]).toEqual([100, T + 119])
  })

  it('says by itself that the time is over, but never of an evacuation', () => {
    for (const [type, state] of [['text', 'expired'], ['evacuate', 'sent'], ['retreat', 'sent']] as const) {
      expect(stateNow(order(type, []), target('u', 'sent'), T + 60_001)).toBe(state)
    }
    expect(stateNow(order('text', []), target('u', 'shown'), T + 60_001)).toBe('shown')
  })

  it('a roll-call counts answers, everything else what was delivered', () => {
    const shown = target('u', 'shown', { received: [T, T], shown: [T, T] })
    expect([isReached(order('roll_call', []), shown, T), isReached(order('evacuate', []), shown, T)]).toEqual([false, true])
    const sum = tally(order('evacuate', [shown, target('v', 'sent'), target('w', 'lifted'), target('x', 'no_device')]), T)
    expect(sum).toEqual({ reached: 2, of: 4, lifted: 1, said: { received: 1, shown: 1 } })
  })

  it('who is missing comes first, by name within', () => {
    const all = order('task', [
      target('C10', 'done', { done: [T, T + 5] }), target('C2', 'sent'), target('C1', 'accepted'), target('C9', 'no_device'), target('C10b', 'sent'), target('C3', 'refused'),
    ])
    expect(byNeed(all, T, (unit) => unit).map(({ unit }) => unit)).toEqual(['C9', 'C2', 'C10b', 'C3', 'C1', 'C10'])
    expect([since(all, all.targets[0]!), since(all, all.targets[1]!)]).toEqual([T + 5, T])
  })
})

describe('orders on the feed', () => {
  it('a type of a newer hub is left out, and one without targets is refused', () => {
    expect(decode(encode({ ...order('text', []), type: 'sing' }))).toBeNull()
    expect(() => decode(encode({ ...order('text', []), targets: 7 }))).toThrow(FeedError)
    expect(() => decode(encode({ k: 'text', id: 'a' }))).toThrow(FeedError)
  })
})

it('an order to leave carries its words and is never dated before the hub', () => {
  const made = signedOrder({ name: '王海', role: 'commander', realm: 'live' }, 1, 'all', T + 7, T + 0.4, { text: '东门' })
  expect(made).toMatchObject({ type: 1, seq: T + 7, not_before_utc_ms: T, body: { text: '东门' } })
})
