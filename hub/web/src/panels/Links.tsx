/** By which ways a gateway is reached: its bearers as it told them, and by which ways the hub heard it. */
import type { DeviceLinks, Link, Way } from '../api/http'
import { clock, pulse } from '../app/core'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageS } from '../laws/contact'
import { ageText } from '../laws/words'

/** A gateway tells its bearers each minute: what is older than this says how it was. */
const TOLD_S = 150

/** Full: carries; half: kept for what needs it; dashed: trying; crossed: gone; dash: switched off. */
export function LinkSign({ state }: { state: string }) {
  return (
    <svg class={`sign sign-link-${state}`} viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
      {state === 'up' && <circle cx="10" cy="10" r="6.5" class="solid" />}
      {state === 'held' && <circle cx="10" cy="10" r="6.5" class="line" />}
      {state === 'held' && <path d="M10 3.5a6.5 6.5 0 0 0 0 13z" class="solid" />}
      {state === 'connecting' && <circle cx="10" cy="10" r="7" class="line" stroke-dasharray="3.6 2.7" />}
      {state === 'down' && <path d="M4.5 4.5l11 11M15.5 4.5l-11 11" class="line" />}
      {state === 'off' && <path d="M5.5 10h9" class="line" />}
    </svg>
  )
}

const worded = (key: string, otherwise: string): string => (key in zh ? t(key as Key) : otherwise)
export const bearerName = (bearer: string): string => worded(`bearer_${bearer}`, bearer)
/** "LTE (IP)"; a name that only repeats the kind stands alone. */
const linkName = ({ name, bearer }: Link): string => (name === bearer || name === '' ? bearerName(bearer) : name)

function told(link: Link, now: number): string[] {
  const { state, delay_ms: delay, loss_permille: loss, backlog_rows: waiting, duty_permille: duty, ok_utc_ms: ok } = link
  const old = ageS(now, link.t_utc_ms)
  return [
    ...(state === 'up' && delay !== null ? [`${delay} ms`] : [worded(`link_${state}`, state)]),
    ...(loss ? [t('link_loss', { n: Number((loss / 10).toFixed(1)) })] : []),
    ...(waiting ? [t('link_waiting', { n: waiting })] : []),
    ...(duty ? [t('link_duty', { n: Number((duty / 10).toFixed(1)) })] : []),
    ...(state !== 'up' && ok !== null ? [t('link_ok', { age: ageText(ageS(now, ok)) })] : []),
    ...(old > TOLD_S ? [t('link_told', { age: ageText(old) })] : []),
  ]
}

export function LinkMark({ link }: { link: Link }) {
  void pulse.value
  const now = clock.now()
  return (
    <span class={`link link-${link.state} ${ageS(now, link.t_utc_ms) > TOLD_S ? 'old' : ''}`} data-testid="link" data-state={link.state} title={bearerName(link.bearer)}>
      <b>{linkName(link)}</b> <LinkSign state={link.state} /> {told(link, now).join(' · ')}
    </span>
  )
}

function wayText({ bearer, relay, relay_callsign: callsign, heard_utc_ms: heard }: Way, now: number): string {
  const by = relay ? t('way_relay', { who: callsign || relay, bearer: bearerName(bearer) }) : bearerName(bearer)
  return `${by} ${t('ago', { age: ageText(ageS(now, heard)) })}`
}

/** One line of bearers, one of ways. */
export function LinkLines({ of }: { of: DeviceLinks | undefined }) {
  void pulse.value
  if (!of || (of.links.length === 0 && of.ways.length === 0)) return null
  const now = clock.now()
  return (
    <div class="links" data-testid="links">
      {of.links.map((link) => <LinkMark key={link.place} link={link} />)}
      {of.ways.length > 0 && <small data-testid="ways">{t('ways')} {of.ways.map((way) => wayText(way, now)).join(' · ')}</small>}
    </div>
  )
}
