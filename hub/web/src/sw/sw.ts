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
const PAGE = 'index.html'

/** How long a page that is at hand waits for the hub's own answer. */
const PAGE_WAIT_MS = 2_000

async function whole(name: string, signal: AbortSignal | null = null): Promise<Response> {
  const response = await fetch(name, { cache: 'no-store', signal })
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
  const name = pathname === '/' || (mode === 'navigate' && pathname === '/index.html') ? PAGE : pathname.slice(1)
  return name in __FILES__ ? name : undefined
}

/**
 * The page itself comes from the hub whenever it is reached: its headers say which cameras it may fetch from, and those of
 * the day of installation do not know the cameras that came since.
 */
async function page(cache: Cache, kept: Response): Promise<Response> {
  try {
    const fresh = await whole(PAGE, AbortSignal.timeout(PAGE_WAIT_MS))
    await cache.put(PAGE, fresh.clone())
    return fresh
  } catch {
    return kept
  }
}

async function answer(name: string): Promise<Response> {
  const cache = await caches.open(CACHE)
  const kept = await cache.match(name)
  if (!kept) return whole(name)
  return name === PAGE ? page(cache, kept) : kept
}

worker.addEventListener('fetch', (event) => {
  const name = nameOf(event.request)
  if (name !== undefined) event.respondWith(answer(name))
})

export {}
