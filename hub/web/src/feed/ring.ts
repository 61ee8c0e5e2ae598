/**
 * The last minutes of the feed, as the bytes that came.
 *
 * Enters: each message with its bytes, from the socket. Leaves: numbered frames for `replay.ts`, and the moments at which
 * alarms were raised. Kept: SPAN_MS or BYTES_MAX, whichever is less; the oldest go first, always up to the next snapshot,
 * so that what is left begins with a whole picture. A replay of a whole drill fills a ring of its own from another socket.
 */
import { decode } from './decode'
import type { FromHub, UnitMeta } from './messages'
import type { Priority } from './safety'

export const SPAN_MS = 15 * 60_000
export const BYTES_MAX = 64 * 2 ** 20
/** What a frame costs beside its bytes. */
const FRAME_BYTES = 128
const NOBODY = new Uint32Array(0)
const MARKS_MAX = 200
/** A clock that goes back further than this is another clock: what was before is of another time line. */
const BACK_MS = 1_000

/** `slots`: the units that a picture holds, so that whoever seeks needs to unpack few of them. */
export interface Frame { t: number; k: FromHub['k']; bytes: Uint8Array; slots: Uint32Array }
export interface Mark { id: string; t: number; priority: Priority; slots: number[] }

const KEPT: ReadonlySet<FromHub['k']> = new Set(['hello', 'meta', 'gone', 'snap', 'tick', 'event', 'alarm'])
export const isNaming = (k: FromHub['k']): boolean => k === 'hello' || k === 'meta' || k === 'gone'
export const isPicture = (k: FromHub['k']): boolean => k === 'snap' || k === 'tick'

const costs = ({ bytes, slots }: Frame): number => bytes.byteLength + slots.byteLength + FRAME_BYTES

/** What a replay needs of wherever frames are. Frames have numbers that stay theirs while older ones are dropped. */
export interface FrameSource {
  /** Hub ms of the first and the last picture; NaN when there is none. */
  readonly from: number
  readonly until: number
  readonly first: number
  readonly end: number
  frame(number: number): Frame
  /** Number of the last snapshot at or before `t`, of the first one when all are later; -1 when there is none. */
  keyframe(t: number): number
  /** Units that had a name before `first`. */
  names(): UnitMeta[]
}

export class Ring implements FrameSource {
  bytes = 0
  first = 0
  /** Moments of alarms, oldest first. */
  marks: Mark[] = []
  private frames: Frame[] = []
  private keys: number[] = []
  private named = new Map<number, UnitMeta>()
  private until_ = NaN
  private stamp = NaN
  private person = ''

  constructor(private readonly spanMs = SPAN_MS, private readonly bytesMax = BYTES_MAX) {}

  get from(): number {
    return this.keys.length === 0 ? NaN : this.frame(this.keys[0]!).t
  }

  get until(): number {
    return this.keys.length === 0 ? NaN : this.until_
  }

  get end(): number {
    return this.first + this.frames.length
  }

  frame(number: number): Frame {
    return this.frames[number - this.first]!
  }

  names(): UnitMeta[] {
    return [...this.named.values()]
  }

  keyframe(t: number): number {
    return this.keys.findLast((number) => this.frame(number).t <= t) ?? this.keys[0] ?? -1
  }

  push(message: FromHub, bytes: Uint8Array): void {
    if (!KEPT.has(message.k)) return
    if (message.k === 'alarm') this.mark(message)
    const picture = message.k === 'snap' || message.k === 'tick'
    if (picture && message.t < this.until_ - BACK_MS) this.restart()
    // Only greetings and pictures carry the hub's time; what comes after one is of its moment.
    if (picture) this.until_ = this.stamp = message.t
    if (message.k === 'hello') {
      this.greeted(`${message.name} ${message.role} ${message.realm}`)
      if (message.t > this.stamp) this.stamp = message.t
    }
    if (message.k === 'snap') this.keys.push(this.end)
    // Before the first snapshot nothing can be shown, but names are learned.
    if (this.keys.length === 0) return this.learn(message)
    const frame: Frame = { t: this.stamp, k: message.k, bytes, slots: picture ? message.c.slot : NOBODY }
    this.frames.push(frame)
    this.bytes += costs(frame)
    // Whoever may not be seen any more may not be seen in the past either.
    if (message.k === 'gone') this.restart()
    this.trim()
  }

  /** Forgets all frames, keeps who has which name; it begins again with the next snapshot. */
  restart(): void {
    for (const frame of this.frames) if (isNaming(frame.k)) this.learn(decode(frame.bytes))
    this.first = this.end
    this.frames = []
    this.keys = []
    this.marks = []
    this.bytes = 0
    this.until_ = this.stamp = NaN
  }

  clear(): void {
    this.restart()
    this.named.clear()
    this.person = ''
  }

  /** Another person, or the same with another role, has other rights. */
  private greeted(person: string): void {
    if (this.person !== person) this.clear()
    this.person = person
  }

  private learn(message: FromHub | null): void {
    if (message?.k === 'hello') this.named.clear()
    if (message?.k === 'meta') for (const unit of message.units) this.named.set(unit.slot, unit)
    if (message?.k === 'gone') for (const slot of message.slots) this.named.delete(slot)
  }

  private mark({ id, open, late, t_raised, t_hub, priority, slots }: Extract<FromHub, { k: 'alarm' }>): void {
    if (!open || this.marks.some((mark) => mark.id === id)) return
    this.marks = [...this.marks, { id, t: late ? t_hub : t_raised, priority, slots }].slice(-MARKS_MAX)
  }

  private trim(): void {
    while (this.keys.length > 1 && (this.bytes > this.bytesMax || this.until_ - this.frame(this.keys[1]!).t >= this.spanMs)) this.drop(this.keys[1]!)
    // One snapshot with its ticks is too much already: it must wait for the next.
    if (this.bytes > this.bytesMax) this.restart()
    this.marks = this.marks.filter(({ t }) => !(t < this.from))
  }

  private drop(end: number): void {
    for (const frame of this.frames.splice(0, end - this.first)) {
      this.bytes -= costs(frame)
      if (isNaming(frame.k)) this.learn(decode(frame.bytes))
    }
    this.first = end
    this.keys.shift()
  }
}
