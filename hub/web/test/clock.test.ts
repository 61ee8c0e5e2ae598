import { describe, expect, it } from 'vitest'
import { HubClock } from '../src/feed/clock'

function fake() {
  const time = { mono: 5000 }
  return { time, clock: new HubClock(() => time.mono) }
}

describe('hub clock', () => {
  it('knows nothing before the first message', () => {
    const { clock } = fake()
    expect(clock.now()).toBeNaN()
    expect(clock.silence()).toBe(Infinity)
  })
  it('is the last t plus what passed here, and runs on in silence', () => {
    const { time, clock } = fake()
    clock.heard(1e12)
    time.mono += 12_345
    expect(clock.now()).toBe(1e12 + 12_345)
    expect(clock.silence()).toBe(12_345)
  })
  it('a held-up message does not make positions younger', () => {
    const { time, clock } = fake()
    clock.heard(1e12)
    time.mono += 3_000
    clock.heard(1e12 + 250)
    expect(clock.now()).toBe(1e12 + 3_000)
    expect(clock.silence()).toBe(0)
  })
  it('follows a hub whose clock was set forward at once, back within a minute, and back at once on a new connection', () => {
    const { time, clock } = fake()
    clock.heard(1e12)
    clock.heard(1e12 + 60_000)
    expect(clock.now()).toBe(1e12 + 60_000)
    time.mono += 60_001
    clock.heard(1e12)
    expect(clock.now()).toBe(1e12)
    clock.reset()
    clock.heard(5e11)
    expect(clock.now()).toBe(5e11)
  })
  it('keeps a bounded number of samples', () => {
    const { time, clock } = fake()
    for (let i = 0; i < 5000; i++) {
      time.mono += 1
      clock.heard(1e12 - i)
    }
    expect(clock.now()).toBeGreaterThan(0)
  })
})
