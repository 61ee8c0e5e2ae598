/**
 * A commander's key where WebCrypto has no Ed25519: its seed, encrypted under a passphrase. Loaded only there.
 *
 * AES-256-GCM under PBKDF2-SHA-256. **Source:** OWASP Password Storage Cheat Sheet, 600,000 rounds. The plain seed lives
 * in this tab's memory while the key is unlocked.
 */
import { getPublicKeyAsync, signAsync } from '@noble/ed25519'
import type { Signer } from './keys'
import type { Bytes } from './order'

const ROUNDS = 600_000
const SEED_BYTES = 32
export interface Wrapped { salt: Bytes; nonce: Bytes; rounds: number; sealed: Bytes }

const copy = (bytes: Uint8Array): Bytes => new Uint8Array(bytes)

export async function newSeed(): Promise<{ seed: Bytes; publicKey: Bytes }> {
  const seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES))
  return { seed, publicKey: copy(await getPublicKeyAsync(seed)) }
}

export function signer(keyId: string, publicKey: Bytes, seed: Bytes): Signer {
  return { keyId, publicKey, sign: async (message) => copy(await signAsync(message, seed)) }
}

export async function wrap(seed: Bytes, passphrase: string): Promise<Wrapped> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  const nonce = crypto.getRandomValues(new Uint8Array(12))
  const key = await derived(passphrase, salt, ROUNDS)
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, seed))
  return { salt, nonce, rounds: ROUNDS, sealed }
}

/** Null when the passphrase is wrong. */
export async function unwrap({ salt, nonce, rounds, sealed }: Wrapped, passphrase: string): Promise<Bytes | null> {
  try {
    const key = await derived(passphrase, salt, rounds)
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce }, key, sealed))
  } catch {
    return null
  }
}

async function derived(passphrase: string, salt: Bytes, rounds: number): Promise<CryptoKey> {
  const words = new TextEncoder().encode(passphrase.normalize('NFC'))
  const secret = await crypto.subtle.importKey('raw', words, 'PBKDF2', false, ['deriveKey'])
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: rounds }
  return crypto.subtle.deriveKey(how, secret, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}
