/** Signs of the panels: the same shapes as on the map. */
import type { Branch, Kind } from '../feed/messages'
import type { Cause } from '../feed/alarms'
import type { Priority } from '../feed/safety'
import { t } from '../i18n'
import type { Contact, State } from '../laws/contact'
import { BRANCH_GLYPHS, KIND_FRAMES, octagon, REPORTED_SCALE } from '../map/glyphs'

const OCTAGON = octagon(9).map(([x, y]) => `${(x + 10).toFixed(2)},${(y + 10).toFixed(2)}`).join(' ')

/** The shape of a cause: what it threatens, not which rule found it. */
const SIGN_OF: Partial<Record<Cause, State | 'gas' | 'lowair' | 'body' | 'device'>> = {
  fall: 'mandown', gas_over: 'gas', gas_stel: 'gas', gas_twa: 'gas', gas_rise: 'gas', gas_fault: 'device',
  turn_back: 'lowair', air_lost: 'lowair', heat: 'body', strain: 'body', heart_alarm: 'body', device_fault: 'device',
  forged_order: 'device',
}

/** Full, half, dashed, dotted; octagon and triangle for danger. Colour comes from the class. */
export function StateSign({ state: of }: { state: State | Cause }) {
  const state = SIGN_OF[of as Cause] ?? of
  return (
    <svg class={`sign sign-${state}`} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      {state === 'sos' && <polygon points={OCTAGON} class="solid" />}
      {state === 'sos' && <path d="M10 5v6" class="cut" />}
      {state === 'sos' && <circle cx="10" cy="14.3" r="1.3" class="cutdot" />}
      {(state === 'mandown' || state === 'gas') && <path d="M10 1.8L19 17.5H1z" class="solid" />}
      {state === 'mandown' && <path d="M6 13.5h8" class="cut" />}
      {state === 'gas' && <path d="M10 7.5v4.5M10 14v1.5" class="cut" />}
      {state === 'lowair' && <rect x="2.5" y="2.5" width="15" height="15" rx="1.5" class="solid" />}
      {state === 'lowair' && <path d="M10 5.5v7M6.8 10l3.2 3.5 3.2-3.5" class="cut" />}
      {state === 'body' && <path d="M10 18C5 14.5 1.5 11.3 1.5 7.4A4.4 4.4 0 0 1 10 5.5a4.4 4.4 0 0 1 8.5 1.9C18.5 11.3 15 14.5 10 18z" class="solid" />}
      {state === 'body' && <path d="M4.5 10h3l1.5-3 2 5 1.5-2h3" class="cut thin" />}
      {state === 'device' && <rect x="2.5" y="2.5" width="15" height="15" rx="3" class="line" />}
      {state === 'device' && <path d="M10 5.5v5.5M10 13.2v1.8" class="line" />}
      {state === 'online' && <circle cx="10" cy="10" r="6.5" class="solid" />}
      {state === 'stale' && <circle cx="10" cy="10" r="6.5" class="line" />}
      {state === 'stale' && <path d="M10 3.5a6.5 6.5 0 0 0 0 13z" class="solid" />}
      {state === 'lost' && <circle cx="10" cy="10" r="7" class="line" stroke-dasharray="3.6 2.7" />}
      {state === 'unheard' && <path d="M5.5 10h9" class="line" />}
    </svg>
  )
}

const RING = octagon(12.5).map(([x, y]) => `${(x + 14).toFixed(2)},${(y + 14).toFixed(2)}`).join(' ')
const CORE = octagon(8.5).map(([x, y]) => `${(x + 14).toFixed(2)},${(y + 14).toFixed(2)}`).join(' ')

/** How grave, as a shape: octagon in a ring, triangle, square, dot. Colour only repeats it. */
export function PrioritySign({ priority, size = 26 }: { priority: Priority; size?: number }) {
  return (
    <svg class={`sign sign-p${priority}`} viewBox="0 0 28 28" width={size} height={size} role="img" aria-label={t(`priority_${priority}`)}>
      {priority === 1 && <><polygon class="ring line" points={RING} /><polygon points={CORE} class="solid" /><path d="M14 9.5v5.5M14 17.2v1.6" class="cut" /></>}
      {priority === 2 && <><path d="M14 3L26 24.5H2z" class="solid" /><path d="M14 11v6.5M14 20v1.8" class="cut" /></>}
      {priority === 3 && <rect x="4" y="4" width="20" height="20" rx="2" class="solid" />}
      {priority === 4 && <circle cx="14" cy="14" r="7" class="solid" />}
    </svg>
  )
}

export function UnitSign({ kind, branch, contact, reported = false, size = 30 }: { kind: Kind; branch: Branch; contact: Contact; reported?: boolean; size?: number }) {
  if (reported) return <ReportedSign kind={kind} contact={contact} size={size} />
  const glyph = BRANCH_GLYPHS[branch]
  return (
    <svg class={`unit-sign contact-${contact}`} viewBox="0 0 36 36" width={size} height={size} aria-hidden="true">
      <path class="frame" d={KIND_FRAMES[kind]} stroke-dasharray={contact === 'lost' || contact === 'unheard' ? '4 3.2' : undefined} />
      <g transform="translate(9 9) scale(.75)">
        <path class={glyph.filled ? 'glyph-fill' : 'glyph-line'} d={glyph.d} />
      </g>
    </svg>
  )
}

/** As on the map: hollow within a dotted line, because no device of ours is there. */
function ReportedSign({ kind, contact, size }: { kind: Kind; contact: Contact; size: number }) {
  const off = 18 * (1 - REPORTED_SCALE)
  return (
    <svg class={`unit-sign reported contact-${contact}`} viewBox="0 0 36 36" width={size} height={size} aria-hidden="true">
      <path class="outer" d={KIND_FRAMES[kind]} />
      <path class="inner" d={KIND_FRAMES[kind]} transform={`translate(${off} ${off}) scale(${REPORTED_SCALE})`} stroke-dasharray={contact === 'lost' || contact === 'unheard' ? '6 5' : undefined} />
    </svg>
  )
}
