/**
 * The middle of the page: clock, store, socket and alarms, and the signals that panels and map read.
 *
 * Enters: messages of the feed. Leaves: signals. The picture itself stays in the store's typed arrays; `pulse` says
 * when to look again. It beats four times a second even when nothing comes, because ages grow all the same.
 */
import { batch, signal } from '@preact/signals'
import { Alarms } from '../feed/alarms'
import { HubClock } from '../feed/clock'
import type { AllClear, Commanders, FromHub, Hello, Link, Notice, OrderMessage, ReceiptsMessage, SaidMessage, TextMessage } from '../feed/messages'
import { decode } from '../feed/decode'
import type { Kept } from '../feed/lastPicture'
import { Notices } from '../feed/notices'
import { withOrder } from '../feed/orders'
import { Ring } from '../feed/ring'
import { Roster, type Counts, type Unit } from '../feed/roster'
import { FeedSocket, type Refusal } from '../feed/socket'
import { Store } from '../feed/store'
import { say, t as word } from '../i18n'
import { merged, type Shown } from '../laws/alarms'
import { contact, type Contact } from '../laws/contact'
import { lineOf, type Line } from '../laws/line'
import { Uplink } from '../laws/uplink'
import { clearGround, takeGround } from './ground'
import { clearReadiness, takeReadiness } from './readiness'
import { clearSafety, takeSafety, toldAlarms } from './safety'
import { TrailFetcher } from './trailFetcher'
import { clearVehicles, takeVehicle } from './vehicles'

const PULSE_MS = 250
/** After a pause as long as this, trails have a hole that only the hub's log can fill. */
const HOLE_MS = 5_000
const ALL_CLEARS_MAX = 50
const MESSAGES_MAX = 200
const TEXTS_MAX = 300
const NOBODY: Commanders = { k: 'commanders', list_number: 0, keys: [] }

export type { Counts, Unit }

export type Door = 'opening' | 'in' | 'open_link' | 'used' | 'failed' | 'offline' | 'origin'

export const clock = new HubClock(() => performance.now())
export const store = new Store()
/** The last minutes, to look back at. */
export const ring = new Ring()
export const uplink = new Uplink()
const alarms = new Alarms()
const notices = new Notices()
export const trailFetcher = new TrailFetcher(store, clock)

export const door = signal<Door>('opening')
export const doorStatus = signal(0)
export const hello = signal<Hello | null>(null)
export const link = signal<Link | null>(null)
export const line = signal<Line>('first')
/** Whole seconds since a picture came. */
export const silentS = signal(0)
export const byeWhy = signal('')
export const pulse = signal(0)
/** Grows with each picture, up to ten times a second: for what moves. Whatever only ages reads `pulse`. */
export const pictured = signal(0)
export const roster = signal<Unit[]>([])
export const counts = signal<Counts>({ total: 0, online: 0, stale: 0, lost: 0, sos: 0 })
export const openAlarms = signal<Shown[]>([])
export const openNotices = signal<Notice[]>([])
/** Whose orders devices obey now. */
export const commanders = signal<Commanders>(NOBODY)
/** The newest first; `settledAt` is when this screen heard that it was given or had expired, NaN while it waits. */
export const allClears = signal<(AllClear & { settledAt: number })[]>([])
/** What strangers wrote, as our devices heard it; the newest last. */
export const messages = signal<SaidMessage[]>([])
/** The newest first. */
export const orders = signal<OrderMessage[]>([])
/** What wearers wrote, the newest last. */
export const texts = signal<TextMessage[]>([])
export const selectedId = signal<string | null>(null)
/** The picture of an earlier visit, while no hub has been reached in this one. */
export const oldPicture = signal<Pick<Kept, 't' | 'realm' | 'drill'> | null>(null)

let pictureMono = NaN
let pictureT = NaN
let startMono = performance.now()
/** When the tab came back into sight; NaN once it has its picture. */
let backMono = NaN
const everyone = new Roster()
let beatMono = -Infinity
/** A new connection starts with no trails. */
let trailsLost = true

const feedUrl = (): string => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/feed`
export const socket = new FeedSocket(feedUrl(), { message: takeAndKeep, opened: () => undefined, closed })

export function start(): void {
  startMono = performance.now()
  socket.open()
  startBeat()
  document.addEventListener('visibilitychange', () => {
    socket.setHidden(document.hidden)
    backMono = performance.now()
    beat()
  })
}

let beating = false

function startBeat(): void {
  if (!beating) setInterval(beatIfDue, PULSE_MS)
  beating = true
}

/** No hub: what this browser kept, at `now` by its own clock. The first greeting of a hub forgets it. */
export function showOld(kept: Kept, now: number): void {
  const [meta, snap] = [decode(kept.meta), decode(kept.snap)]
  if (meta?.k !== 'meta' || snap?.k !== 'snap') return
  store.expectAll()
  store.applyMeta(meta)
  store.applyPicture(snap)
  clock.heard(now)
  oldPicture.value = kept
  startBeat()
}

export function select(id: string | null): void {
  selectedId.value = id
  trailFetcher.select(slotOfSelected())
}

function slotOfSelected(): number | undefined {
  const id = selectedId.peek()
  return id === null ? undefined : store.slotOf(id)
}

/** While the hub is not heard nobody is known to be online; the word says so. */
export function onlineWord(): 'online' | 'online_before' {
  return line.value === 'live' ? 'online' : 'online_before'
}

/** Contact and state of a slot now. Everything on the page that says how a unit is asks here. */
export function contactOf(slot: number): Contact {
  const meta = store.meta(slot)!
  return contact(clock.now(), store.col.t_rx[slot]!, store.col.t_fix[slot]!, meta.stale_s, meta.lost_s)
}

/** What is seen comes first: nothing that goes wrong with the past may cost an alarm. */
function takeAndKeep(message: FromHub, bytes: Uint8Array): void {
  take(message)
  ring.push(message, bytes)
}

function take(message: FromHub): void {
  // An event keeps the time at which the hub took it, and open ones are sent again to each new screen.
  if (message.k === 'snap' || message.k === 'tick') clock.heard(message.t)
  switch (message.k) {
    case 'hello':
      oldPicture.value = null
      clock.reset()
      clock.heard(message.t)
      alarms.clear()
      notices.clear()
      clearSafety()
      clearReadiness()
      clearVehicles()
      clearGround()
      commanders.value = NOBODY
      allClears.value = []
      messages.value = []
      orders.value = []
      texts.value = []
      store.expectAll()
      uplink.clear()
      trailsLost = true
      hello.value = message
      break
    case 'meta': {
      store.applyMeta(message)
      trailFetcher.selected = slotOfSelected()
      break
    }
    case 'snap':
    case 'tick': {
      uplink.heard(message.t, message.c, store.col.t_fix)
      const outdated = store.applyPicture(message)
      const pausedMs = performance.now() - pictureMono
      pictureMono = performance.now()
      if (!document.hidden) backMono = NaN
      pictureT = message.t
      trailFetcher.outdated(message.k === 'snap' && (trailsLost || !(pausedMs < HOLE_MS)) ? store.slots : outdated)
      if (message.k === 'snap') trailsLost = false
      byeWhy.value = ''
      pictured.value += 1
      if (store.flagged || line.peek() !== 'live') beat()
      else beatIfDue()
      break
    }
    case 'event':
      alarms.apply(message)
      beat()
      break
    case 'said':
      messages.value = [...messages.peek(), message].slice(-MESSAGES_MAX)
      break
    case 'order':
    case 'receipts':
      takeOrder(message)
      break
    case 'text':
      texts.value = [...texts.peek().filter(({ id }) => id !== message.id), message].slice(-TEXTS_MAX)
      break
    case 'gone':
      store.remove(message.slots)
      if (selectedId.peek() !== null && slotOfSelected() === undefined) select(null)
      beat()
      break
    case 'notice':
      notices.apply(message, clock.now())
      beat()
      break
    case 'commanders':
      commanders.value = message
      break
    case 'all_clear':
      takeAllClear(message)
      break
    case 'link':
      link.value = message
      break
    case 'bye':
      byeWhy.value = message.why
      if (message.why === 'signed_out') refuse('signed_out')
      break
    case 'inside':
      store.applyInside(message)
      break
    case 'vehicle':
      takeVehicle(message)
      break
    case 'camera':
    case 'net':
      takeReadiness(message)
      break
    case 'plan':
    case 'drawing':
      takeGround(message)
      break
    default:
      takeSafety(message)
      if (message.k === 'alarm') beat()
  }
}

/** From the feed, or as the answer to what this person did. */
export function takeAllClear(message: AllClear): void {
  const before = allClears.peek().find(({ id }) => id === message.id)
  const settledAt = message.state === 'proposed' ? NaN : before && !Number.isNaN(before.settledAt) ? before.settledAt : clock.now()
  const others = allClears.peek().filter(({ id }) => id !== message.id)
  allClears.value = [{ ...message, settledAt }, ...others].slice(0, ALL_CLEARS_MAX)
}

/** From the feed, or as the answer to what this person did. */
export function takeOrder(message: OrderMessage | ReceiptsMessage): void {
  orders.value = withOrder(orders.peek(), message)
}

function closed(refusal: Refusal | null): void {
  if (refusal) refuse(refusal)
}

function refuse(refusal: Refusal): void {
  socket.stop()
  door.value = refusal === 'wrong_origin' ? 'origin' : 'open_link'
}

/** Pictures come up to ten times a second; what is read in words changes four times. */
function beatIfDue(): void {
  if (performance.now() - beatMono >= PULSE_MS * 0.9) beat()
}

function beat(): void {
  beatMono = performance.now()
  const quietMs = beatMono - (Number.isNaN(pictureMono) ? startMono : pictureMono)
  everyone.update(store, clock.now(), beatMono, word('reported_team'))
  batch(() => {
    line.value = lineNow()
    silentS.value = Math.floor(quietMs / 1000)
    roster.value = everyone.list
    counts.value = everyone.counts
    const open = merged(toldAlarms(), alarms.open(store, pictureT), (id) => alarms.event(id), (cause) => [say('zh', cause), say('en', cause)])
    if (open.length > 0 || openAlarms.peek().length > 0) openAlarms.value = open
    const told = notices.shown(clock.now())
    if (told.length > 0 || openNotices.peek().length > 0) openNotices.value = told
    pulse.value += 1
  })
}

function lineNow(): Line {
  const now = performance.now()
  return lineOf({ quietMs: now - pictureMono, open: socket.isOpen, hidden: document.hidden, backMs: now - backMono, hasOld: oldPicture.value !== null })
}
