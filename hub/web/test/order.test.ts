import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { idOf } from '../src/command/keys'
import { allClear, hex, packOrder, proofBytes, signedBytes, unhex, type Order } from '../src/command/order'
import { newSeed, signer, unwrap, wrap } from '../src/command/wrapped'
import { Notices } from '../src/feed/notices'
import type { Notice } from '../src/feed/messages'

interface Example { orders: { order: Order; core: string; signed: string }[]; proof: { name: string; realm: string; public: string; bytes: string }; key_id: string }
const example: Example = JSON.parse(readFileSync(new URL('../../../tests/web/order_example.json', import.meta.url), 'utf8'))

describe('an order', () => {
  it.each(example.orders)('$order.id is the bytes that the hub makes', ({ order, core, signed }) => {
    expect(hex(packOrder(order))).toBe(core)
    expect(hex(signedBytes(packOrder(order)))).toBe(signed)
  })
  it('proof and key id are the hub’s', async () => {
    const { name, realm, public: key, bytes } = example.proof
    expect(hex(proofBytes(name, realm, unhex(key)))).toBe(bytes)
    expect(await idOf(unhex(key))).toBe(example.key_id)
  })
  it('takes the greater of the hub’s number and the hub’s time', () => {
    const who = { name: 'a', role: 'commander', realm: 'r' }
    expect(allClear(who, 'all', 5, 1000.4, null)).toMatchObject({ seq: 1000, not_before_utc_ms: 1000, body: {} })
    expect(allClear(who, 'all', 2000, 1000.4, 'why')).toMatchObject({ seq: 2000, body: { break_glass: 'why' } })
  })
})

describe('a wrapped key', () => {
  it('opens with its passphrase only, and signs as WebCrypto verifies', async () => {
    const { seed, publicKey } = await newSeed()
    const sealed = await wrap(seed, 'a long passphrase')
    expect(await unwrap(sealed, 'another passphrase')).toBeNull()
    expect(await unwrap(sealed, 'a long passphrase')).toEqual(seed)
    const message = new Uint8Array([1, 2, 3])
    const signature = await signer('id', publicKey, seed).sign(message)
    const key = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
    expect(await crypto.subtle.verify('Ed25519', key, signature, message)).toBe(true)
    expect(await crypto.subtle.verify('Ed25519', key, signature, new Uint8Array([1, 2, 4]))).toBe(false)
  })
})

describe('notices', () => {
  const notice = (id: string, last: number, taken_by = ''): Notice =>
    ({ k: 'notice', id, reason: 'mac', device: 1, callsign: '', words: '', count: 1, first_utc_ms: 0, last_utc_ms: last, taken_by })
  it('the latest first, taken ones last, and gone after a while', () => {
    const notices = new Notices()
    notices.apply(notice('a', 1), 100)
    notices.apply(notice('b', 2), 100)
    notices.apply(notice('b', 2, 'x'), 200)
    expect(notices.shown(300).map(({ id }) => id)).toEqual(['a', 'b'])
    expect(notices.shown(200 + 30_001).map(({ id }) => id)).toEqual(['a'])
  })
})
