/** Signs of the panels: the same shapes as on the map. */
import type { Branch, Kind } from '../feed/messages'
import type { Cause } from '../feed/alarms'
import type { Contact, State } from '../laws/contact'
import { BRANCH_GLYPHS, KIND_FRAMES, octagon } from '../map/glyphs'

const OCTAGON = octagon(9).map(([x, y]) => `${(x + 10).toFixed(2)},${(y + 10).toFixed(2)}`).join(' ')

/** Full, half, dashed, dotted; octagon and triangle for danger. Colour comes from the class. */
export function StateSign({ state }: { state: State | Cause }) {
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
      {state === 'online' && <circle cx="10" cy="10" r="6.5" class="solid" />}
      {state === 'stale' && <circle cx="10" cy="10" r="6.5" class="line" />}
      {state === 'stale' && <path d="M10 3.5a6.5 6.5 0 0 0 0 13z" class="solid" />}
      {state === 'lost' && <circle cx="10" cy="10" r="7" class="line" stroke-dasharray="3.6 2.7" />}
      {state === 'unheard' && <path d="M5.5 10h9" class="line" />}
    </svg>
  )
}

export function UnitSign({ kind, branch, contact, size = 30 }: { kind: Kind; branch: Branch; contact: Contact; size?: number }) {
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
