/**
 * Who commands, as this screen knows it, and what this person can do about it.
 *
 * Enters: `commanders` of the feed, answers of the hub, clicks. Leaves: signals and requests. Why a new key for each
 * shift instead of a lock on an old one: see README.md, Commander's key.
 */
import { computed, effect, signal } from '@preact/signals'
import { ApiError, ask } from '../api/http'
import { allClears, clock, commanders, pulse, takeAllClear, takeOrder } from '../app/core'
import { me } from '../app/session'
import type { AllClear, CommanderKey, OrderMessage } from '../feed/messages'
import * as keys from './keys'
import { allClear, EVACUATE, hex, packOrder, proofBytes, RETREAT, signedBytes, signedOrder, unhex } from './order'

export const HOURS_DEFAULT = 12
export const REASON_CHARS_MIN = 10
export const PASSPHRASE_CHARS_MIN = 10
/** How long one that was given, or was not in time, stays in the strip. */
const SETTLED_MS = 60_000

interface Asked { list_number: number; next_seq: number; behind: number; others: string[]; keys: CommanderKey[] }

export const asked = signal<Asked | null>(null)
/** This tab's key; it counts only while the hub lists it. */
const mine = signal<keys.Signer | { keyId: string; locked: true } | null>(null)
/** A key is being registered: a list that does not name it yet says nothing. */
let beginning = false

/** My key in the hub's list, whoever's browser has it. */
export const listed = computed<CommanderKey | null>(() => {
  const name = me.value?.name
  return commanders.value.keys.find((key) => key.name === name) ?? null
})

export type Standing = 'none' | 'elsewhere' | 'locked' | 'ready'
/** `none`: no shift; `elsewhere`: begun in another browser; `locked`: a passphrase is needed; `ready`: can sign. */
export const standing = computed<Standing>(() => {
  if (!listed.value) return 'none'
  const here = mine.value
  if (!here || here.keyId !== listed.value.key_id) return 'elsewhere'
  return 'locked' in here ? 'locked' : 'ready'
})

export const offers = computed(() => commanders.value.keys.filter((key) => key.offered_to !== '' && key.offered_to === me.value?.name))

/** Proposals that wait, and for a minute what became of them. */
export const shownAllClears = computed(() => {
  void pulse.value
  const now = clock.now()
  return allClears.value.filter(({ settledAt, expires_utc_ms }) => Number.isNaN(settledAt) ? now < expires_utc_ms : now - settledAt < SETTLED_MS)
})

const placeOf = ({ name, realm }: { name: string; realm: string }): string => keys.placeOf(name, realm)
const place = (): string => placeOf(me.peek()!)

export function startCommand(): void {
  let recalled = ''
  effect(() => {
    const person = me.value
    const now = person ? placeOf(person) : ''
    if (now !== '' && now !== recalled && globalThis.crypto?.subtle) void recall(now)
    recalled = now
  })
  effect(() => {
    const { list_number, keys: list } = commanders.value
    const here = mine.value
    // Number 0 is what is known before the hub has told.
    if (here && list_number > 0 && !beginning && !list.some(({ key_id }) => key_id === here.keyId)) void drop()
  })
}

/** The key that this browser kept, and none of anybody else's. */
async function recall(where: string): Promise<void> {
  await keys.forgetOthers(where)
  mine.value = await keys.kept(where)
}

async function drop(): Promise<void> {
  mine.value = null
  if (me.peek()) await keys.forget(place()).catch(() => undefined)
}

export async function refresh(): Promise<void> {
  const said = await ask<Asked>('GET', '/commanders')
  asked.value = said
  commanders.value = { k: 'commanders', list_number: said.list_number, keys: said.keys }
}

export async function begin(hours: number, passphrase: string, takesOver?: string): Promise<void> {
  const { name, realm } = me.peek()!
  const { signer, kept } = await keys.make(passphrase)
  const proof = hex(await signer.sign(proofBytes(name, realm, signer.publicKey)))
  beginning = true
  try {
    await ask('POST', '/commanders', { public: hex(signer.publicKey), proof, hours, ...(takesOver !== undefined && { takes_over: takesOver }) })
    await keys.keep(place(), kept)
    mine.value = signer
    await refresh()
  } finally {
    beginning = false
  }
}

/** True when the passphrase fits. */
export async function unlock(passphrase: string): Promise<boolean> {
  const signer = await keys.unlock(place(), passphrase)
  if (signer) mine.value = signer
  return signer !== null
}

export async function end(): Promise<void> {
  const key = listed.peek()
  if (key) await ask('DELETE', `/commanders/${key.key_id}`)
  await drop()
  await refresh()
}

/** Signing out ends the shift; that the hub is away does not keep the key here. */
export async function leaveCommand(): Promise<void> {
  const here = mine.peek()
  if (!here) return
  await ask('DELETE', `/commanders/${here.keyId}`).catch(() => undefined)
  await drop()
}

export async function handOver(to: string): Promise<void> {
  await ask('POST', `/commanders/${listed.peek()!.key_id}/handover`, { to })
  await refresh()
}

function signerHere(): keys.Signer {
  const here = mine.peek()
  if (!here || 'locked' in here) throw new Error('command: no unlocked key in this tab')
  return here
}

async function give(path: string, core: Uint8Array, more: { core?: string }): Promise<void> {
  const signer = signerHere()
  const signature = hex(await signer.sign(signedBytes(core)))
  const said = await ask<Omit<AllClear, 'k'>>('POST', path, { ...more, key_id: signer.keyId, signature })
  takeAllClear({ k: 'all_clear', ...said })
}

export async function propose(target: string, breakGlass: string | null): Promise<void> {
  signerHere()
  await refresh()
  const core = packOrder(allClear(me.peek()!, target, asked.peek()!.next_seq, clock.now(), breakGlass))
  await give('/all-clears', core, { core: hex(core) })
}

/** Somebody else may have taken the number in between: then the next one is signed. */
const TRIES = 3
const TAKEN = 409

/** Sign an evacuation or retreat with the key of this shift and send it. The hub's answer is shown at once. */
export async function giveSigned(type: 'evacuate' | 'retreat', target: string, words: string): Promise<number> {
  const signer = signerHere()
  for (let left = TRIES; ; left--) {
    await refresh()
    const body = words === '' ? {} : { text: words }
    const core = packOrder(signedOrder(me.peek()!, type === 'evacuate' ? EVACUATE : RETREAT, target, asked.peek()!.next_seq, clock.now(), body))
    const signature = hex(await signer.sign(signedBytes(core)))
    try {
      return taken(await ask('POST', '/orders/signed', { core: hex(core), key_id: signer.keyId, signature }))
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== TAKEN || left <= 1) throw error
    }
  }
}

/** What the hub's word is enough for. */
export async function giveWords(type: 'text' | 'roll_call' | 'task', target: string, words: string): Promise<number> {
  const path = type === 'task' ? '/orders/task' : '/orders'
  return taken(await ask('POST', path, { ...(type !== 'task' && { type }), target, text: words }))
}

function taken(said: Omit<OrderMessage, 'k'>): number {
  takeOrder({ k: 'order', ...said })
  return said.seq
}

export const signToo = ({ id, core }: AllClear): Promise<void> => give(`/all-clears/${id}/sign`, unhex(core), {})
