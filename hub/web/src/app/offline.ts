/**
 * The page without a hub: the service worker that brings its files, and the last picture, kept in this browser.
 *
 * The picture is kept while it is live, one of them, and goes when somebody signs out or the session is over. It is shown
 * only when no hub is reached, greyed, with its time.
 */
import { effect, signal } from '@preact/signals'
import { hubMsNow, packPicture, type Kept } from '../feed/lastPicture'
import { clock, door, hello, line, oldPicture, showOld, store } from './core'

const EVERY_MS = 10_000
const DATABASE = 'zhantu-picture'
const TABLE = 'last'
const KEY = 'last'

export const updateReady = signal(false)
interface InstallPrompt extends Event { prompt(): Promise<unknown> }
let prompt: InstallPrompt | null = null
export const installable = signal(false)

export async function install(): Promise<void> {
  await prompt?.prompt()
  installable.value = false
}

function table(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return new Promise((done, failed) => {
    const open = indexedDB.open(DATABASE, 1)
    open.onupgradeneeded = () => open.result.createObjectStore(TABLE)
    open.onsuccess = () => {
      const transaction = open.result.transaction(TABLE, mode)
      transaction.oncomplete = transaction.onabort = () => open.result.close()
      done(transaction.objectStore(TABLE))
    }
    open.onerror = () => failed(open.error)
  })
}

function answer<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    asked.onsuccess = () => done(asked.result)
    asked.onerror = () => failed(asked.error)
  })
}

async function keep(): Promise<void> {
  const now = hello.peek()
  const packed = line.peek() === 'live' && now ? packPicture(store, clock.now()) : null
  if (!packed || !now) return
  const kept: Kept = { t: clock.now(), wallMs: Date.now(), realm: now.realm, drill: now.drill, ...packed }
  await answer((await table('readwrite')).put(kept, KEY))
}

const forget = async (): Promise<void> => void (await answer((await table('readwrite')).delete(KEY)))

async function recall(): Promise<void> {
  const kept = await answer((await table('readonly')).get(KEY) as IDBRequest<Kept | undefined>)
  const now = kept ? hubMsNow(kept, Date.now()) : NaN
  if (kept && !Number.isNaN(now) && door.peek() === 'offline') showOld(kept, now)
}

/** A browser that forbids storage opens without a picture; nothing else is lost. */
const quietly = (what: Promise<unknown>): void => void what.catch((error: unknown) => console.warn(`last picture: ${String(error)}`))

export function startOffline(): void {
  setInterval(() => quietly(keep()), EVERY_MS)
  for (const leaving of ['pagehide', 'visibilitychange'] as const) addEventListener(leaving, () => quietly(keep()), true)
  effect(() => {
    if (door.value === 'offline') quietly(recall())
    else if (door.value === 'open_link' || door.value === 'used') {
      oldPicture.value = null
      quietly(forget())
    }
  })
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault()
    prompt = event as InstallPrompt
    installable.value = true
  })
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  let registered = false
  // After the first picture: fetching the whole page for later must not hold up the page of now.
  effect(() => {
    if (line.value !== 'live' || registered) return
    registered = true
    void register()
  })
}

let waiting: ServiceWorker | null = null

async function register(): Promise<void> {
  try {
    const registration = await navigator.serviceWorker.register('./sw.js', { updateViaCache: 'none' })
    const look = (): void => {
      waiting = registration.waiting
      updateReady.value = waiting !== null && navigator.serviceWorker.controller !== null
    }
    look()
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look))
    // Another worker means other files: a page of the old ones must not fetch its rooms from the new.
    const had = navigator.serviceWorker.controller !== null
    navigator.serviceWorker.addEventListener('controllerchange', () => had && location.reload())
  } catch (error) {
    // Without a certificate that the browser trusts there is no worker; the page works as ever while there is a hub.
    console.warn(`no service worker: ${String(error)}`)
  }
}

export const takeUpdate = (): void => waiting?.postMessage('take over')
