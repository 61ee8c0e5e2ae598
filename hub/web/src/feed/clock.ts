/**
 * The one clock of the page: hub time now.
 *
 * Enters: `t` of each message and this machine's monotonic clock. Leaves: hub time. The wall clock of this machine is
 * never read, so a wrong one changes nothing. Replay will be the same page with another clock.
 */

/** A message later than this after the earliest of the window says nothing about the hub's clock. */
const WINDOW_MS = 60_000
const SAMPLES_MAX = 512
/** How much of the mean of distances the newest one is. */
const SPACING_GAIN = 0.2

interface Sample { mono: number; offset: number }

export class HubClock {
  private samples: Sample[] = []
  private heardMono = NaN
  private offset = NaN
  private lagMs = 0
  private spacingMs = 0

  /** @param mono monotonic milliseconds, `performance.now` in the page and a plain number in tests */
  constructor(private readonly mono: () => number) {}

  /** A new connection may be to a hub whose clock was set: forget what the old one said. */
  reset(): void {
    this.samples = []
    this.heardMono = NaN
    this.spacingMs = 0
  }

  /**
   * Takes `t` of a message. Hub time is `t` plus the time since, but a message that was held up on the way would set
   * the clock back and make every position look younger than it is. So the message that travelled fastest within a
   * minute sets the clock; with even delivery that is the last one.
   */
  heard(t: number): void {
    const mono = this.mono()
    if (mono > this.heardMono) this.spacingMs += (mono - this.heardMono - this.spacingMs) * SPACING_GAIN
    this.heardMono = mono
    const offset = t - mono
    while (this.samples.length > 0 && this.samples.at(-1)!.offset <= offset) this.samples.pop()
    this.samples.push({ mono, offset })
    while (this.samples[0]!.mono < mono - WINDOW_MS || this.samples.length > SAMPLES_MAX) this.samples.shift()
    this.offset = this.samples[0]!.offset
    this.lagMs = this.offset - offset
  }

  /** Hub time now, UTC ms; NaN before the first message. It runs on when the hub is silent. */
  now(): number {
    return this.offset + this.mono()
  }

  /** How much longer the last message was under way than the fastest of the last minute, ms: how late this screen is. */
  lag(): number {
    return this.lagMs
  }

  /** How far apart messages come of late, ms. */
  spacing(): number {
    return this.spacingMs
  }

  /** Milliseconds of this machine since the hub was heard; Infinity when it never was. */
  silence(): number {
    return Number.isNaN(this.heardMono) ? Infinity : this.mono() - this.heardMono
  }
}
