/** Up to four pictures at the map's lower edge. A picture that stands still says so: it must never pass for now. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { pulse, store } from '../app/core'
import { unwatch, watched } from '../app/readiness'
import type { Camera } from '../feed/readiness'
import { t } from '../i18n'
import { videoState } from '../laws/video'
import { ageText } from '../laws/words'
import { play } from './player'

const FRAMES_MS = 250

export function VideoWall() {
  if (watched.value.length === 0) return null
  return <div class="videos" data-testid="videos">{watched.value.map((camera) => <Pane key={`${camera.id} ${camera.url}`} camera={camera} />)}</div>
}

export function cameraName({ name, unit }: Camera): string {
  const slot = unit === '' ? undefined : store.slotOf(unit)
  const callsign = slot === undefined ? '' : store.meta(slot)!.callsign
  return callsign && callsign !== name ? `${callsign} · ${name}` : name
}

/** Calls back with new pictures, at most a few times a second. The clock of a stream runs on when no picture comes, so it proves nothing. */
function onFrames(video: HTMLVideoElement, seen: () => void): () => void {
  let handle = 0
  let last = -Infinity
  const next = (now: number): void => {
    if (now - last >= FRAMES_MS) {
      last = now
      seen()
    }
    handle = video.requestVideoFrameCallback(next)
  }
  handle = video.requestVideoFrameCallback(next)
  return () => video.cancelVideoFrameCallback(handle)
}

function Pane({ camera }: { camera: Camera }) {
  void pulse.value
  const video = useRef<HTMLVideoElement>(null)
  const moved = useSignal(NaN)
  const failure = useSignal('')
  const round = useSignal(0)
  useEffect(() => {
    const element = video.current!
    moved.value = NaN
    failure.value = ''
    if (camera.url === '') {
      failure.value = t('video_address')
      return
    }
    const unwatched = onFrames(element, () => (moved.value = performance.now()))
    const stop = play(element, camera, (why) => (failure.value = why))
    return () => {
      unwatched()
      stop()
    }
  }, [camera, round.value])
  const now = performance.now()
  const state = videoState(now, moved.value, failure.value)
  return (
    <figure class={`video video-${state}`} data-testid="video" data-state={state}>
      <video ref={video} muted autoplay playsInline aria-label={cameraName(camera)} />
      <figcaption>
        <b>{cameraName(camera)}</b>
        <span class="says">
          {state === 'live' && t('live')}
          {state === 'opening' && t('video_opening')}
          {state === 'still' && t('video_still', { age: ageText((now - moved.value) / 1000) })}
          {state === 'failed' && t('video_failed', { why: failure.value })}
        </span>
        {state !== 'live' && state !== 'opening' && <button data-testid="video-again" onClick={() => (round.value += 1)}>{t('again')}</button>}
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => unwatch(camera.id)}>✕</button>
      </figcaption>
    </figure>
  )
}
