/**
 * The communications officer's board: voice, video, sensing and the BeiDou guarantee net, as YJ/T 27-2024 groups them.
 *
 * What gateways tell is summed up by kind of bearer, the worst gateways by name below; what people tell stands beside it
 * with their name and its age. Loaded when it is first opened; asks the hub again while it is.
 */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask, type DeviceLinks } from '../api/http'
import { clock, line, link, pulse, store } from '../app/core'
import { pane } from '../app/pane'
import { cameras, nets, watch, watched } from '../app/readiness'
import { may } from '../app/session'
import { showUnit } from '../app/show'
import { NET_GROUPS, NET_STATES, type Camera, type Net, type NetGroup } from '../feed/readiness'
import { t, type Key } from '../i18n'
import { sums, worst, type BearerSum } from '../laws/links'
import { ageText } from '../laws/words'
import { bearerName, LinkLines, LinkSign } from '../panels/Links'
import { Trouble, Twice, fields, useAct, whyNot } from '../panels/acts'
import { cameraName } from '../video/VideoWall'

const ASK_MS = 5_000
const WORST_MAX = 30
const looksAfter = (): boolean => may('devices') || may('dispatch')

export function LinkBoard() {
  const devices = useSignal<DeviceLinks[] | null>(null)
  const at = useSignal(NaN)
  const trouble = useSignal('')
  useEffect(() => {
    const stop = new AbortController()
    const round = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        try {
          devices.value = (await ask<{ devices: DeviceLinks[] }>('GET', '/links')).devices
          at.value = clock.now()
          trouble.value = ''
        } catch (error) {
          trouble.value = whyNot(error)
        }
        await new Promise((done) => setTimeout(done, ASK_MS))
      }
    }
    void round()
    return () => stop.abort()
  }, [])
  const bearers = sums(devices.value ?? [])
  const bad = worst(devices.value ?? [], WORST_MAX)
  return (
    <aside class="detail links-board" data-testid="links-board" aria-label={t('links_board')}>
      <div class="title">
        <h2>{t('links_board')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <Trouble words={trouble} />
      <HubLine at={at.value} />
      {NET_GROUPS.map((group) => <Group key={group} group={group} bearers={bearers.filter((one) => one.group === group)} />)}
      {bad.length > 0 && <h3>{t('links_worst', { n: bad.length })}</h3>}
      {bad.map((device) => (
        <div class="bad-link" key={device.device} data-testid="bad-link">
          <button class="chip" onClick={() => device.unit && showUnit(device.unit)}>{device.callsign || device.device}</button>
          <LinkLines of={device} />
        </div>
      ))}
    </aside>
  )
}

/** Between this screen and the hub, and the hub and its broker. */
function HubLine({ at }: { at: number }) {
  void pulse.value
  const said = link.value
  const live = line.value === 'live'
  return (
    <p class="hint">
      <LinkSign state={live ? 'up' : 'down'} /> {t(live ? 'links_hub' : 'links_hub_cut')}
      {live && said && <> · <LinkSign state={said.broker ? 'up' : 'down'} /> {t(said.broker ? 'broker_ok' : 'broker_cut')}</>}
      {!Number.isNaN(at) && clock.now() - at > 2 * ASK_MS && ` · ${t('ago', { age: ageText((clock.now() - at) / 1000) })}`}
    </p>
  )
}

function Group({ group, bearers }: { group: NetGroup; bearers: BearerSum[] }) {
  const mine = nets.value.filter((net) => net.group === group)
  const seen = group === 'video' ? cameras.value : []
  return (
    <section class="net-group" data-testid={`nets-${group}`}>
      <h3>{t(`net_${group}`)}</h3>
      {bearers.map((sum) => <Bearer key={sum.bearer} sum={sum} />)}
      {seen.map((camera) => <CameraLine key={camera.id} camera={camera} />)}
      {mine.map((net) => <NetLine key={net.id} net={net} />)}
      {bearers.length + mine.length + seen.length === 0 && <p class="hint">{t('net_none')}</p>}
      {looksAfter() && <Add group={group} />}
    </section>
  )
}

function Bearer({ sum }: { sum: BearerSum }) {
  const state = sum.up > 0 ? 'up' : sum.held > 0 ? 'held' : 'down'
  return (
    <div class={`net net-${state}`} data-testid="bearer-sum" data-bearer={sum.bearer}>
      <LinkSign state={state} /><b>{bearerName(sum.bearer)}</b>
      <span>{t('links_up', { n: sum.up, of: sum.up + sum.held + sum.down })}</span>
      <small>
        {[sum.delay_ms === null ? '' : `${sum.delay_ms} ms`, sum.loss_permille ? t('links_loss', { n: Number((sum.loss_permille / 10).toFixed(1)) }) : '', sum.backlog_rows > 0 ? t('link_waiting', { n: sum.backlog_rows }) : ''].filter(Boolean).join(' · ')}
      </small>
    </div>
  )
}

function CameraLine({ camera }: { camera: Camera }) {
  const { busy, trouble, run } = useAct()
  const open = watched.value.some(({ id }) => id === camera.id)
  return (
    <div class="net" data-testid="camera">
      <button class="main" data-testid="camera-watch" disabled={open} onClick={() => watch(camera.id)}>{t(open ? 'video_open' : 'video_watch')}</button>
      <b>{cameraName(camera)}</b>
      {looksAfter() && <Twice disabled={busy.value} onSure={() => void run(() => ask('DELETE', `/cameras/${camera.id}`))}>{t('remove')}</Twice>}
      <Trouble words={trouble} />
    </div>
  )
}

/** A person's word: one tap says how it is now. */
function NetLine({ net }: { net: Net }) {
  void pulse.value
  const { busy, trouble, run } = useAct()
  const tell = (state: string): Promise<unknown> => ask('PUT', `/nets/${net.id}`, { group: net.group, name: net.name, note: net.note, state })
  return (
    <div class={`net net-${net.state}`} data-testid="net" data-state={net.state}>
      <LinkSign state={net.state} /><b>{net.name}</b><span>{t(`link_${net.state}` as Key)}</span>
      <small>{[net.note, net.by, t('ago', { age: ageText((clock.now() - net.t) / 1000) })].filter(Boolean).join(' · ')}</small>
      {looksAfter() && (
        <span class="net-acts">
          {NET_STATES.map((state) => <button key={state} aria-pressed={state === net.state} disabled={busy.value} onClick={() => void run(() => tell(state))}>{t(`link_${state}` as Key)}</button>)}
          <Twice disabled={busy.value} onSure={() => void run(() => ask('DELETE', `/nets/${net.id}`))}>{t('remove')}</Twice>
        </span>
      )}
      <Trouble words={trouble} />
    </div>
  )
}

/** A net by its name; a camera by its name and address. */
function Add({ group }: { group: NetGroup }) {
  const { busy, trouble, run } = useAct()
  const submit = (event: Event): void => {
    const form = event.currentTarget as HTMLFormElement
    const { name = '', note = '', url = '' } = fields(event)
    const add = url === '' ? () => ask('POST', '/nets', { group, name, note, state: 'up' }) : () => ask('POST', '/cameras', { name, url, way: url.includes('.m3u8') ? 'hls' : 'whep', unit: unitCalled(note) })
    void run(async () => {
      await add()
      form.reset()
    })
  }
  return (
    <details class="net-add" data-testid={`net-add-${group}`}>
      <summary>{t('net_add')}</summary>
      <form class="quick" onSubmit={submit}>
        <input name="name" required maxLength={40} class="wide-field" aria-label={t('net_name')} placeholder={t(group === 'video' ? 'camera_name' : 'net_name')} autocomplete="off" />
        {group === 'video' && <input name="url" type="url" required maxLength={500} class="wide-field" aria-label={t('camera_url')} placeholder={t('camera_url')} autocomplete="off" />}
        <input name="note" maxLength={60} aria-label={t(group === 'video' ? 'camera_unit' : 'net_note')} placeholder={t(group === 'video' ? 'camera_unit' : 'net_note')} autocomplete="off" />
        <button disabled={busy.value}>{t('add')}</button>
        <Trouble words={trouble} />
      </form>
    </details>
  )
}

const unitCalled = (callsign: string): string => {
  const slot = store.slots.find((one) => store.meta(one)?.callsign === callsign)
  return slot === undefined ? '' : store.meta(slot)!.id
}
