/**
 * An order as bytes, and what is signed over it: the same bytes as `protocols.orders` makes.
 *
 * Enters: an order. Leaves: msgpack of its ten elements, and marks before what is signed, so that nothing else that is
 * ever signed can pass as an order. tests/web/order_example.json holds both sides to it. Pure.
 */
import { encode } from '@msgpack/msgpack'

export type Bytes = Uint8Array<ArrayBuffer>

export const EVACUATE = 1
export const RETREAT = 2
export const ALL_CLEAR = 3
const SIGNED_MS = 2 * 3_600_000

export interface Order {
  id: string
  realm: string
  /** "all", "team:NAME", or a unit's id. */
  target: string
  type: number
  body: Record<string, unknown>
  issuer: string
  role: string
  seq: number
  not_before_utc_ms: number
  expires_utc_ms: number
}

const text = new TextEncoder()

export function packOrder(o: Order): Bytes {
  return encode([
    o.id, o.realm, o.target, o.type, o.body, o.issuer, o.role, o.seq, o.not_before_utc_ms, o.expires_utc_ms,
  ]) as Bytes
}

export const signedBytes = (core: Uint8Array): Bytes => joined(text.encode('zhantu-order\0'), core)

/** What a new key signs to show that its holder has it, for this person and this realm. */
export const proofBytes = (name: string, realm: string, publicKey: Uint8Array): Bytes =>
  joined(text.encode(`zhantu-key\0${name}\0${realm}\0`), publicKey)

interface Who { name: string; role: string; realm: string }

export const allClear = (who: Who, target: string, nextSeq: number, t: number, breakGlass: string | null): Order =>
  signedOrder(who, ALL_CLEAR, target, nextSeq, t, breakGlass === null ? {} : { break_glass: breakGlass })

/**
 * `t`: hub time now. A device that hears of an all-clear later than SIGNED_MS does not obey: it says nothing about then.
 * An evacuation or retreat is obeyed whenever it comes.
 */
export function signedOrder(who: Who, type: number, target: string, nextSeq: number, t: number, body: Record<string, unknown>): Order {
  const now = Math.round(t)
  return {
    id: hex(crypto.getRandomValues(new Uint8Array(8))),
    realm: who.realm,
    target,
    type,
    body,
    issuer: who.name,
    role: who.role,
    seq: Math.max(nextSeq, now),
    not_before_utc_ms: now,
    expires_utc_ms: now + SIGNED_MS,
  }
}

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')

/** Empty when it is not hexadecimal. */
export function unhex(digits: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(digits)) return new Uint8Array(0)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

function joined(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
