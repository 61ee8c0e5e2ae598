/**
 * A commander's key of one shift, and where this browser keeps it.
 *
 * Enters: a person's name and, where the browser has no Ed25519, a passphrase. Leaves: something that signs. The private
 * key is a WebCrypto key that no script can read; where that is missing, `wrapped.ts` keeps an encrypted seed instead.
 * One record a person and realm in IndexedDB; a shift's end deletes it.
 */
import { hex, type Bytes } from './order'
import type { Wrapped } from './wrapped'

export interface Signer {
  keyId: string
  publicKey: Bytes
  sign(message: Bytes): Promise<Bytes>
}

type Kept = { keyId: string; publicKey: Bytes } & ({ privateKey: CryptoKey } | { wrapped: Wrapped })
/** `native`: by WebCrypto; `wrapped`: needs a passphrase; `none`: the page is not in a secure context. */
export type Way = 'native' | 'wrapped' | 'none'

const DATABASE = 'zhantu'
const KEYS = 'commander_keys'
const ED25519 = 'Ed25519'

let probed: Promise<Way> | null = null
export const way = (): Promise<Way> => (probed ??= probe())

async function probe(): Promise<Way> {
  if (!globalThis.crypto?.subtle) return 'none'
  try {
    await crypto.subtle.generateKey(ED25519, false, ['sign', 'verify'])
    return 'native'
  } catch {
    return 'wrapped'
  }
}

export async function idOf(publicKey: Bytes): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', publicKey)).slice(0, 8))
}

/** A new key. It is kept only by `keep`, once the hub has taken it. */
export async function make(passphrase: string): Promise<{ signer: Signer; kept: Kept }> {
  if ((await way()) === 'wrapped') {
    const wrapping = await import('./wrapped')
    const { seed, publicKey } = await wrapping.newSeed()
    const keyId = await idOf(publicKey)
    const wrapped = await wrapping.wrap(seed, passphrase)
    return { signer: wrapping.signer(keyId, publicKey, seed), kept: { keyId, publicKey, wrapped } }
  }
  const pair = (await crypto.subtle.generateKey(ED25519, false, ['sign', 'verify'])) as CryptoKeyPair
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  const keyId = await idOf(publicKey)
  const { privateKey } = pair
  return { signer: native(keyId, publicKey, privateKey), kept: { keyId, publicKey, privateKey } }
}

function native(keyId: string, publicKey: Bytes, privateKey: CryptoKey): Signer {
  return { keyId, publicKey, sign: async (message) => new Uint8Array(await crypto.subtle.sign(ED25519, privateKey, message)) }
}

/** The key kept here: a signer, or its id alone while a passphrase is needed; null when there is none. */
export async function kept(place: string): Promise<Signer | { keyId: string; locked: true } | null> {
  const found = await read(place)
  if (!found) return null
  return 'privateKey' in found ? native(found.keyId, found.publicKey, found.privateKey) : { keyId: found.keyId, locked: true }
}

/** Null when the passphrase is wrong. */
export async function unlock(place: string, passphrase: string): Promise<Signer | null> {
  const found = await read(place)
  if (!found || !('wrapped' in found)) return null
  const wrapping = await import('./wrapped')
  const seed = await wrapping.unwrap(found.wrapped, passphrase)
  return seed && wrapping.signer(found.keyId, found.publicKey, seed)
}

export const placeOf = (name: string, realm: string): string => `${realm}\0${name}`

export const keep = (place: string, key: Kept): Promise<unknown> => run('readwrite', (keys) => keys.put(key, place))
export const forget = (place: string): Promise<unknown> => run('readwrite', (keys) => keys.delete(place))

/** Keys of those who sat here before: their shift is over for this browser. */
export async function forgetOthers(place: string): Promise<void> {
  for (const other of await run<IDBValidKey[]>('readonly', (keys) => keys.getAllKeys())) {
    if (other !== place) await forget(String(other))
  }
}

const read = (place: string): Promise<Kept | undefined> => run('readonly', (keys) => keys.get(place))

async function run<T>(mode: IDBTransactionMode, what: (keys: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await new Promise<IDBDatabase>((done, failed) => {
    const opening = indexedDB.open(DATABASE, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore(KEYS)
    opening.onsuccess = () => done(opening.result)
    opening.onerror = () => failed(opening.error)
  })
  try {
    return await new Promise<T>((done, failed) => {
      const transaction = database.transaction(KEYS, mode)
      const request = what(transaction.objectStore(KEYS))
      transaction.oncomplete = () => done(request.result)
      transaction.onabort = () => failed(transaction.error)
    })
  } finally {
    database.close()
  }
}
