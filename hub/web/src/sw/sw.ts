/**
 * The service worker: brings the page's own files when no hub is reached, all of one build or none.
 *
 * `FILES` are the files of this build with their SHA-256, put in by vite.config.ts. A file is kept only when its bytes are
 * those of the list, so that a hub that is replaced while it is asked never gives half a page. What the API says is never
 * touched: an answer of yesterday must not look like one of now.
 */
declare const __FILES__: Record<string, string>
declare const __VERSION__: string

interface Waits { waitUntil(what: Promise<unknown>): void }
interface Fetches extends Waits { request: Request; respondWith(answer: Promise<Response>): void }
interface Worker {
  skipWaiting(): Promise<void>
  clients: { claim(): Promise<void> }
  addEventListener(type: 'install' | 'activate', listener: (event: Waits) => void): void
  addEventListener(type: 'fetch', listener: (event: Fetches) => void): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
}
const worker = globalThis as unknown as Worker

const PREFIX = 'zhantu-'
const CACHE = PREFIX + __VERSION__

async function whole(name: string): Promise<Response> {
  const response = await fetch(name, { cache: 'no-store' })
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer()))
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  if (!response.ok || found !== __FILES__[name]) throw new Error(`sw: ${name} is not of this build`)
  return response
}

worker.addEventListener('install', (event) => event.waitUntil((async () => {
  const cache = await caches.open(CACHE)
  for (const name of Object.keys(__FILES__)) await cache.put(name, await whole(name))
})()))

worker.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name)
  await worker.clients.claim()
})()))

worker.addEventListener('message', (event) => {
  if (event.data === 'take over') void worker.skipWaiting()
})

/** The name of a file of the page that is asked for; undefined: none of ours. */
function nameOf({ url, method, mode }: Request): string | undefined {
  const { origin, pathname } = new URL(url)
  if (method !== 'GET' || origin !== location.origin) return undefined
  const name = pathname === '/' || (mode === 'navigate' && pathname === '/index.html') ? 'index.html' : pathname.slice(1)
  return name in __FILES__ ? name : undefined
}

worker.addEventListener('fetch', (event) => {
  const name = nameOf(event.request)
  if (name === undefined) return
  event.respondWith((async () => (await (await caches.open(CACHE)).match(name)) ?? whole(name))())
})

export {}
