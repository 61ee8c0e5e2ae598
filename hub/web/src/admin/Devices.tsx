/** Devices: their state, a one-time code to enrol one, taking one back, whose unit it is. */
import { useSignal, type Signal } from '@preact/signals'
import { ask, type DeviceLinks } from '../api/http'
import { clock, pulse, roster, store } from '../app/core'
import { BRANCHES, KINDS } from '../feed/messages'
import { t, type Key } from '../i18n'
import { ageText } from '../laws/words'
import { Entry, fields, Secret, Trouble, Twice, useAct } from '../panels/acts'
import { LinkLines, LinkSign } from '../panels/Links'
import { useAsked } from './asked'

interface Device {
  device: number
  unit: string
  callsign: string
  kind: string
  relay: boolean
  state: string
  epoch: number
  firmware: string
  not_after_utc_ms: number | null
  enrolled_utc_ms: number | null
  heard_utc_ms: number | null
  why: string
}
interface Code { device: number; code: string; qr_svg: string; expires_utc_ms: number }

const DEVICE_KINDS = ['gateway', 'soldier', 'vehicle', 'relay', 'station', 'hub'] as const
const DAY_MS = 86_400_000
const SOON_DAYS = 14
const STATES: Record<string, Key> = { active: 'dev_active', reserved: 'dev_reserved', revoked: 'dev_revoked' }

export function Devices() {
  const { data, trouble, again } = useAsked<{ devices: Device[] }>('/devices', 5_000)
  const links = useAsked<{ devices: DeviceLinks[] }>('/links', 5_000).data.value?.devices
  const code = useSignal<Code | null>(null)
  const enrolling = useSignal<Device | 'new' | null>(null)
  const list = data.value?.devices
  const done = async (made: Code): Promise<void> => {
    code.value = made
    enrolling.value = null
    await again()
  }
  return (
    <>
      <div class="bar">
        <h2>{t('page_devices')}</h2>
        <button class="main" data-testid="enrol" onClick={() => { code.value = null; enrolling.value = enrolling.value === 'new' ? null : 'new' }}>{t('enrol')}</button>
      </div>
      <Trouble words={trouble} />
      <AboveLine />
      {enrolling.value && <Enrol key={enrolling.value === 'new' ? 0 : enrolling.value.device} of={enrolling.value === 'new' ? null : enrolling.value} done={done} />}
      {code.value && <CodeCard code={code.value} close={() => (code.value = null)} />}
      {!list ? <p>{t('loading')}</p> : list.length === 0 ? <p class="hint">{t('none_yet')}</p> : (
        <table class="wide" data-testid="devices">
          <thead><tr>
            <th>{t('col_device')}</th><th>{t('col_callsign')}</th><th>{t('col_kind')}</th><th>{t('col_state')}</th><th>{t('col_firmware')}</th>
            <th>{t('col_cert')}</th><th>{t('col_heard')}</th><th>{t('col_links')}</th><th>{t('col_epoch')}</th><th />
          </tr></thead>
          <tbody>{list.map((device) => (
            <Row key={device.device} device={device} links={links?.find((one) => one.device === device.device)} again={again} renew={() => { code.value = null; enrolling.value = device }} />
          ))}</tbody>
        </table>
      )}
    </>
  )
}

interface Above { configured: boolean; connected: boolean; since_utc_ms: number | null; waiting: number; passed: number; held_back: number[] }

/** Whether the hub above, or the standby, has what this one has. */
function AboveLine() {
  void pulse.value
  const above = useAsked<Above>('/above', 5_000).data.value
  if (!above?.configured) return null
  const age = ageText((clock.now() - (above.since_utc_ms ?? NaN)) / 1000)
  return (
    <p class={above.connected ? '' : 'warn'} data-testid="above" data-connected={above.connected}>
      <LinkSign state={above.connected ? 'up' : 'down'} /> {t(above.connected ? 'above_up' : 'above_down', { age })}
      {above.waiting > 0 && ` · ${t('link_waiting', { n: above.waiting })}`}
      {above.held_back.length > 0 && ` · ${t('above_held', { n: above.held_back.length })}`}
    </p>
  )
}

/** Full: may send; hollow dashed: waits; crossed out: taken back. */
function DeviceSign({ state }: { state: string }) {
  return (
    <svg class={`sign sign-dev-${state}`} viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
      {state === 'active' && <rect x="3" y="3" width="14" height="14" rx="3" class="solid" />}
      {state === 'reserved' && <rect x="3" y="3" width="14" height="14" rx="3" class="line" stroke-dasharray="3.6 2.7" />}
      {state === 'revoked' && <path d="M4 4l12 12M16 4L4 16" class="line" />}
    </svg>
  )
}

function Row({ device, links, again, renew }: { device: Device; links: DeviceLinks | undefined; again: () => Promise<void>; renew: () => void }) {
  void pulse.value
  const acting = useSignal<'revoke' | 'bind' | null>(null)
  const now = clock.now()
  const { state, not_after_utc_ms: until, heard_utc_ms: heard } = device
  const days = until ? Math.floor((until - now) / DAY_MS) : NaN
  const kind = `kind_${device.kind}` as Key
  const toggle = (what: 'revoke' | 'bind'): void => { acting.value = acting.value === what ? null : what }
  return (
    <>
      <tr data-testid="device-row" data-device={device.device} data-state={state}>
        <td data-label={t('col_device')}><strong>{device.device}</strong></td>
        <td data-label={t('col_callsign')}>{device.callsign || '—'}</td>
        <td data-label={t('col_kind')}>{DEVICE_KINDS.some((one) => one === device.kind) ? t(kind) : device.kind}{device.relay && ` · ${t('kind_relay')}`}</td>
        <td data-label={t('col_state')}><DeviceSign state={state} /> {STATES[state] ? t(STATES[state]) : state}{device.why && <small> · {device.why}</small>}</td>
        <td data-label={t('col_firmware')}>{device.firmware || '—'}</td>
        <td data-label={t('col_cert')} class={days < SOON_DAYS ? 'soon' : ''}>{!until ? (state === 'active' ? t('cert_none') : '—') : until < now ? t('cert_over') : t('days', { n: days })}</td>
        <td data-label={t('col_heard')}>{heard ? t('ago', { age: ageText((now - heard) / 1000) }) : t('never')}</td>
        <td data-label={t('col_links')}>{links ? <LinkLines of={links} /> : '—'}</td>
        <td data-label={t('col_epoch')}>{device.epoch}</td>
        <td class="do">
          <button onClick={renew}>{t('enrol_again')}</button>
          <button aria-expanded={acting.value === 'bind'} onClick={() => toggle('bind')}>{t('bind')}</button>
          {state !== 'revoked' && <button aria-expanded={acting.value === 'revoke'} data-testid="revoke" onClick={() => toggle('revoke')}>{t('revoke')}</button>}
        </td>
      </tr>
      {acting.value && (
        <tr class="acting"><td colSpan={10}>
          {acting.value === 'revoke' ? <Revoke device={device} again={again} acting={acting} /> : <Bind device={device} again={again} acting={acting} />}
        </td></tr>
      )}
    </>
  )
}

interface ActProps { device: Device; again: () => Promise<void>; acting: Signal<'revoke' | 'bind' | null> }

function Revoke({ device, again, acting }: ActProps) {
  const why = useSignal('')
  const { busy, trouble, run } = useAct()
  const revoke = (): void => void run(async () => {
    await ask('POST', `/devices/${device.device}/revoke`, { why: why.value.trim() })
    await again()
    acting.value = null
  })
  return (
    <form class="line" onSubmit={(event) => event.preventDefault()}>
      <Entry name="revoke_why"><input name="why" value={why.value} maxlength={200} autofocus onInput={(event) => (why.value = event.currentTarget.value)} /></Entry>
      <Twice data-testid="revoke-do" disabled={busy.value || why.value.trim() === ''} onSure={revoke}>{t('revoke')} {device.device}</Twice>
      <Trouble words={trouble} />
    </form>
  )
}

function Bind({ device, again, acting }: ActProps) {
  const { busy, trouble, run } = useAct()
  const submit = (event: Event): void => {
    const { unit = '' } = fields(event)
    void run(async () => {
      await ask('PUT', `/devices/${device.device}/binding`, { unit })
      await again()
      acting.value = null
    })
  }
  return (
    <form class="line" onSubmit={submit}>
      <Entry name="bind_unit">
        <select name="unit" defaultValue={device.unit}>
          <option value="">{t('nobody')}</option>
          {roster.value.map(({ id, callsign, slot }) => <option key={id} value={id} selected={id === device.unit}>{callsign} · {store.meta(slot)?.team || t('no_team')}</option>)}
        </select>
      </Entry>
      <button disabled={busy.value}>{t('bind')}</button>
      <Trouble words={trouble} />
    </form>
  )
}

/** A new device, or a new code for one that is known: then its unit stays as it is. */
function Enrol({ of, done }: { of: Device | null; done: (code: Code) => Promise<void> }) {
  const { busy, trouble, run } = useAct()
  const submit = (event: Event): void => {
    const { relay, device, hours, ...said } = fields(event)
    const number = of?.device ?? (device ? Number(device) : undefined)
    const body = { ...said, relay: relay === 'on', hours: Number(hours), ...(number !== undefined && { device: number }) }
    void run(async () => done(await ask<Code>('POST', '/devices/enrolment', body)))
  }
  return (
    <form class="card grid" data-testid="enrol-form" onSubmit={submit}>
      {of ? <h3>{of.device} {of.callsign}</h3> : <NewUnit />}
      <Entry name="device_kind"><select name="kind">{DEVICE_KINDS.filter((one) => one !== 'hub').map((one) => <option key={one} value={one} selected={one === of?.kind}>{t(`kind_${one}`)}</option>)}</select></Entry>
      {!of && <Entry name="device_number"><input name="device" type="number" inputmode="numeric" min={1} /></Entry>}
      <Entry name="hours_valid"><input name="hours" type="number" inputmode="numeric" min={1} max={720} required defaultValue="24" /></Entry>
      <label class="check"><input name="relay" type="checkbox" defaultChecked={of?.relay ?? false} />{t('relay_yes')}</label>
      <button class="main" data-testid="enrol-make" disabled={busy.value}>{t('enrol_make')}</button>
      <Trouble words={trouble} />
    </form>
  )
}

function NewUnit() {
  return (
    <>
      <Entry name="col_callsign"><input name="callsign" required maxlength={40} autofocus autocomplete="off" /></Entry>
      <Entry name="unit_kind"><select name="unit_kind">{KINDS.map((one) => <option key={one} value={one}>{t(one)}</option>)}</select></Entry>
      <Entry name="branch"><select name="branch">{BRANCHES.map((one) => <option key={one} value={one}>{t(`branch_${one}`)}</option>)}</select></Entry>
      <Entry name="team"><input name="team" maxlength={40} list="teams" autocomplete="off" /></Entry>
      <datalist id="teams">{[...new Set(roster.value.map(({ team }) => team))].map((team) => <option key={team} value={team} />)}</datalist>
      <Entry name="agency"><input name="agency" maxlength={40} autocomplete="off" /></Entry>
    </>
  )
}

function CodeCard({ code, close }: { code: Code; close: () => void }) {
  void pulse.value
  const leftS = (code.expires_utc_ms - clock.now()) / 1000
  const [where, groups = ''] = splitCode(code.code)
  return (
    <div class="card code-card" data-testid="code-card">
      <img class="qr" alt={t('enrol_code', { device: code.device })} src={`data:image/svg+xml;utf8,${encodeURIComponent(code.qr_svg)}`} />
      <div>
        <h3>{t('enrol_code', { device: code.device })}</h3>
        <p class="code" data-testid="code"><span>{where}/</span>{groups.split('-').map((group, i) => <b key={i}>{group}</b>)}</p>
        <p class={leftS > 0 ? 'hint' : 'warn'}>{leftS > 0 ? t('enrol_valid', { age: ageText(leftS) }) : t('enrol_expired')}</p>
        <p>{t('enrol_on')}</p>
        <Secret testid="enrol-command" text={`zhantu-edge enrol ${code.code}`} />
        <p class="hint">{t('shown_once')}</p>
        <button onClick={close}>{t('done')}</button>
      </div>
    </div>
  )
}

/** Address and groups. */
export function splitCode(code: string): [where: string, groups: string] {
  const at = code.lastIndexOf('/')
  return at < 0 ? ['', code] : [code.slice(0, at), code.slice(at + 1)]
}
