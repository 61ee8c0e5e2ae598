/**
 * The WebSocket to the hub: opens it, keeps it, opens it again.
 *
 * Enters: bytes. Leaves: decoded messages and changes of the connection, through `Listener`. It never gives up: the
 * pauses double up to PAUSE_MAX_MS with jitter, so that a hundred screens do not all knock at a restarted hub at once.
 */
import { decode, encode, FeedError } from './decode'
import type { FromHub, ToHub } from './messages'

const PAUSE_FIRST_MS = 500
const PAUSE_MAX_MS = 8_000
/** Nothing for this long on an open socket: the line is dead although nobody said so. */
const DEAD_MS = 10_000
const ASK_AGAIN_MS = 1_000

export const CLOSE_NOT_SIGNED_IN = 4401
export const CLOSE_WRONG_ORIGIN = 4403

export type Refusal = 'signed_out' | 'wrong_origin'

export interface Listener {
  /** `bytes`: as they came, to be kept by whoever wants to look back. */
  message(message: FromHub, bytes: Uint8Array): void
  opened(): void
  /** `refusal`: coming back alone is of no use, a person has to act. */
  closed(refusal: Refusal | null): void
}

export class FeedSocket {
  bad = 0
  /** When the next attempt begins, `performance.now()`; NaN while one is under way or the line stands. */
  nextTryMono = NaN
  private socket: WebSocket | null = null
  private pauseMs = PAUSE_FIRST_MS
  private timer = 0
  private stopped = false
  private heardMono = 0
  private askedMono = -Infinity
  private lastSeq = -1
  /** After `pause` and before the next snapshot a gap means nothing. */
  private gapExpected = true
  private hidden = false

  constructor(private readonly url: string, private readonly listener: Listener) {
    setInterval(() => this.dropIfDead(), 1_000)
  }

  open(): void {
    this.stopped = false
    clearTimeout(this.timer)
    this.nextTryMono = NaN
    const socket = new WebSocket(this.url)
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    this.heardMono = performance.now()
    socket.onopen = () => this.onOpen()
    socket.onmessage = (event) => this.onMessage(socket, event.data as ArrayBuffer)
    socket.onclose = (event) => this.onClose(socket, event.code)
  }

  /** A hidden tab draws nothing, so it takes only events. */
  setHidden(hidden: boolean): void {
    this.hidden = hidden
    this.gapExpected = true
    this.send({ k: hidden ? 'pause' : 'go' })
    if (!hidden && this.socket === null && !this.stopped) this.open()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.socket?.close()
  }

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN
  }

  /** A person does not want to wait. */
  tryNow(): void {
    if (this.socket === null && !this.stopped) this.open()
  }

  private onOpen(): void {
    this.gapExpected = true
    this.listener.opened()
    if (this.lastSeq >= 0) this.send({ k: 'resume', seq: this.lastSeq })
    if (this.hidden) this.send({ k: 'pause' })
  }

  private onMessage(socket: WebSocket, data: ArrayBuffer): void {
    if (socket !== this.socket) return
    this.heardMono = performance.now()
    try {
      const message = decode(data)
      if (message === null) return
      this.checkSeq(message)
      this.listener.message(message, new Uint8Array(data))
    } catch (error) {
      if (!(error instanceof FeedError)) throw error
      this.bad += 1
      console.warn(error.message)
      this.ask()
    }
  }

  private checkSeq(message: FromHub): void {
    if (message.k === 'hello') this.pauseMs = PAUSE_FIRST_MS
    if (message.k !== 'snap' && message.k !== 'tick') return
    if (message.k === 'tick' && !this.gapExpected && message.since > this.lastSeq) this.ask()
    if (message.k === 'snap') this.gapExpected = false
    this.lastSeq = message.seq
  }

  private ask(): void {
    if (performance.now() - this.askedMono < ASK_AGAIN_MS) return
    this.askedMono = performance.now()
    this.send({ k: 'resume', seq: this.lastSeq })
  }

  /** Dropped while there is no line: whoever tells tells it again after `hello`. */
  send(message: ToHub): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(encode(message))
  }

  private onClose(socket: WebSocket, code: number): void {
    if (socket !== this.socket) return
    this.socket = null
    const refusal = code === CLOSE_NOT_SIGNED_IN ? 'signed_out' : code === CLOSE_WRONG_ORIGIN ? 'wrong_origin' : null
    if (refusal) this.stopped = true
    this.listener.closed(refusal)
    if (this.stopped) return
    const pauseMs = this.pauseMs * (0.5 + Math.random())
    this.nextTryMono = performance.now() + pauseMs
    this.timer = window.setTimeout(() => this.open(), pauseMs)
    this.pauseMs = Math.min(PAUSE_MAX_MS, this.pauseMs * 2)
  }

  private dropIfDead(): void {
    const socket = this.socket
    if (!socket || this.hidden || performance.now() - this.heardMono < DEAD_MS) return
    // close() of a dead line can take a minute to report, so the page does not wait for it.
    socket.close()
    this.onClose(socket, 1006)
  }
}
