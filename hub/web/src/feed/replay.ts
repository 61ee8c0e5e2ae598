/**
 * A picture of the past: frames of a `FrameSource`, through the same decoder into a store of its own, by a clock of its own.
 *
 * The live store goes on underneath and knows nothing of it. Ages are those of then: a unit that was silent is silent here,
 * and where frames are missing its age grows, as it did on the screen.
 */
import { decode } from './decode'
import type { FromHub, UnitMeta } from './messages'
import { isNaming, isPicture, type FrameSource } from './ring'
import { Store, type Table } from './store'
import type { Trails } from './trails'
import type { PictureSource } from '../map/source'

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64] as const

/** Further ahead than this, to begin again from a snapshot is cheaper than to go there. */
const FAR_FRAMES = 150

/** Runs `speed` times as fast as `mono`, or stands. */
export class ReplayClock {
  private sinceMono: number
  private speed_ = 1
  private playing_ = true

  /** @param mono monotonic milliseconds  @param t hub ms to begin with */
  constructor(private readonly mono: () => number, private t: number) {
    this.sinceMono = mono()
  }

  now(): number {
    return this.playing_ ? this.t + (this.mono() - this.sinceMono) * this.speed_ : this.t
  }

  get speed(): number { return this.speed_ }
  get playing(): boolean { return this.playing_ }

  set(t: number): void {
    this.t = t
    this.sinceMono = this.mono()
  }

  play(on: boolean): void {
    this.set(this.now())
    this.playing_ = on
  }

  setSpeed(speed: number): void {
    this.set(this.now())
    this.speed_ = speed
  }
}

export class Replay implements PictureSource {
  /** Pictures applied so far, of whichever store. */
  ticks = 0
  private store = new Store()
  private next = -1
  /** Hub ms of the last picture that was applied. */
  private pictureT = NaN

  /** @param trails_ null: those that the replayed ticks themselves make */
  constructor(private readonly frames: FrameSource, readonly clock: ReplayClock, private readonly trails_: ((replay: Replay) => Pick<Trails, 'get'>) | null = null) {}

  get col(): Table { return this.store.col }
  get slots(): readonly number[] { return this.store.slots }
  get trails(): Pick<Trails, 'get'> { return this.trails_?.(this) ?? this.store.trails }
  meta(slot: number): UnitMeta | undefined { return this.store.meta(slot) }
  now(): number { return this.clock.now() }

  /** How long before `now` the newest picture was, ms: above 2 s nothing is known of this moment. NaN: nothing at all. */
  silence(): number {
    return this.now() - this.pictureT
  }

  /** Brings the picture to the clock's time; false when no frame is left to show. */
  follow(): boolean {
    const { frames } = this
    const t = Math.max(this.now(), frames.from)
    const key = frames.keyframe(t)
    if (key < 0) return false
    if (this.next < frames.first || t < this.pictureT || key - this.next > FAR_FRAMES) this.restart(key, t)
    for (; this.next < frames.end && frames.frame(this.next).t <= t; this.next += 1) this.applyFrame(this.next)
    return true
  }

  /** To the picture before or after this one, and stands there. */
  step(direction: 1 | -1): void {
    this.clock.play(false)
    this.clock.set(this.pictureBeside(direction))
    this.follow()
  }

  private pictureBeside(direction: 1 | -1): number {
    const { frames } = this
    for (let i = direction === 1 ? this.next : this.next - 1; i >= frames.first && i < frames.end; i += direction) {
      const { k, t } = frames.frame(i)
      if (isPicture(k) && (direction === 1 ? t > this.pictureT : t < this.pictureT)) return t
    }
    return this.now()
  }

  /**
   * The picture of `t` from the snapshot `key`. A row replaces the whole row before it, so of the ticks between only those
   * are unpacked that hold some unit's newest row.
   */
  private restart(key: number, t: number): void {
    const { frames } = this
    this.store = new Store()
    this.store.applyMeta({ k: 'meta', units: frames.names() })
    for (this.next = frames.first; this.next < frames.end && frames.frame(this.next).t <= t; this.next += 1) {
      if (isNaming(frames.frame(this.next).k)) this.applyFrame(this.next)
    }
    this.next = Math.max(this.next, key + 1)
    for (const number of this.newestRows(key)) this.applyFrame(number)
  }

  /** Pictures from `key` to `next` that hold a unit's newest row, oldest first; none of before a greeting. */
  private newestRows(key: number): number[] {
    const [seen, needed] = [new Set<number>(), [] as number[]]
    for (let number = this.next - 1; number >= key && this.frames.frame(number).k !== 'hello'; number -= 1) {
      const { k, slots } = this.frames.frame(number)
      if (!isPicture(k) || (needed.length > 0 && number > key && slots.every((slot) => seen.has(slot)))) continue
      for (const slot of slots) seen.add(slot)
      needed.unshift(number)
    }
    return needed
  }

  private applyFrame(number: number): void {
    const frame = this.frames.frame(number)
    if (isNaming(frame.k) || isPicture(frame.k)) this.apply(decode(frame.bytes), frame.t)
  }

  private apply(message: FromHub | null, t: number): void {
    switch (message?.k) {
      case 'hello': return this.store.expectAll()
      case 'meta': return this.store.applyMeta(message)
      case 'gone': return this.store.remove(message.slots)
      case 'snap':
      case 'tick':
        this.store.applyPicture(message)
        this.ticks += 1
        this.pictureT = t
    }
  }
}
