/**
 * Brings a camera's picture into a <video>: HLS by hls.js, which is loaded when the first one is opened, or WebRTC by WHEP.
 *
 * Leaves: a function that ends it. `fail` is told in the words of whoever refused. The hub never carries the picture.
 * **Source:** RFC 8216 (HLS); draft-ietf-wish-whep: an offer by POST, the answer in its body, DELETE at its Location.
 */
import type { Camera } from '../feed/readiness'

type Fail = (why: string) => void
/** A WebRTC offer waits for its addresses at most so long. */
const GATHER_MS = 1_500

export function play(video: HTMLVideoElement, { way, url }: Camera, fail: Fail): () => void {
  const abort = new AbortController()
  let end = (): void => undefined
  const started = way === 'whep' ? byWhep(video, url, fail, abort.signal) : byHls(video, url, fail, abort.signal)
  started.then((stop) => (abort.signal.aborted ? stop() : (end = stop)), (error: unknown) => {
    if (!abort.signal.aborted) fail(error instanceof Error ? error.message : String(error))
  })
  return () => {
    abort.abort()
    end()
    video.srcObject = null
    video.removeAttribute('src')
    video.load()
  }
}

async function byHls(video: HTMLVideoElement, url: string, fail: Fail, signal: AbortSignal): Promise<() => void> {
  const { default: Hls } = await import('hls.js/light')
  if (signal.aborted) return () => undefined
  if (!Hls.isSupported()) {
    video.src = url
    video.onerror = () => fail(video.error?.message || 'HLS')
    return () => (video.onerror = null)
  }
  const hls = new Hls({ liveDurationInfinity: true, maxBufferLength: 10, backBufferLength: 0 })
  hls.on(Hls.Events.ERROR, (_event, data) => {
    if (data.fatal) fail(data.response?.code ? `HTTP ${data.response.code}` : data.details)
  })
  hls.loadSource(url)
  hls.attachMedia(video)
  return () => hls.destroy()
}

async function byWhep(video: HTMLVideoElement, url: string, fail: Fail, signal: AbortSignal): Promise<() => void> {
  const peer = new RTCPeerConnection()
  let session = ''
  const stop = (): void => {
    peer.close()
    // A server that is told frees the stream at once; one that does not hear it does so by itself.
    if (session !== '') void fetch(session, { method: 'DELETE', credentials: 'omit' }).catch(() => undefined)
  }
  try {
    peer.addTransceiver('video', { direction: 'recvonly' })
    peer.addTransceiver('audio', { direction: 'recvonly' })
    // A server need not say to which stream a track belongs, so the tracks are gathered here.
    const stream = new MediaStream()
    peer.ontrack = ({ track }) => {
      stream.addTrack(track)
      video.srcObject = stream
    }
    peer.onconnectionstatechange = () => peer.connectionState === 'failed' && fail('WebRTC')
    await peer.setLocalDescription(await peer.createOffer())
    await gathered(peer)
    const answer = await fetch(url, { method: 'POST', credentials: 'omit', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription!.sdp, signal })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    session = new URL(answer.headers.get('location') ?? '', url).href
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
  } catch (error) {
    stop()
    throw error
  }
  return stop
}

function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return Promise.resolve()
  return new Promise((done) => {
    peer.addEventListener('icegatheringstatechange', () => peer.iceGatheringState === 'complete' && done())
    setTimeout(done, GATHER_MS)
  })
}
