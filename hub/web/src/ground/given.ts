/** Units and drawings as shapes for other programs, each with its time and how sure it is. */
import { clock, contactOf, store } from '../app/core'
import { drawings } from '../app/ground'
import { ABSENT } from '../feed/messages'
import type { Drawing } from '../feed/ground'
import type { Given } from '../files/write'
import { t } from '../i18n'
import { ageS, state } from '../laws/contact'
import { ringAround, sectorRing } from '../laws/geo'

/** Everybody with a position. A last known one is given as such, with its age. */
export function unitsGiven(): Given[] {
  const { t_fix, lat, lon, hacc, flags } = store.col
  return store.slots.filter((slot) => !Number.isNaN(t_fix[slot]!)).map((slot) => {
    const meta = store.meta(slot)!
    const heard = contactOf(slot)
    return {
      kind: 'point', name: meta.callsign, rings: [[[lon[slot]! / 1e7, lat[slot]! / 1e7]]], t: t_fix[slot]!,
      about: {
        state: t(state(heard, flags[slot]!)), contact: heard, age_s: Math.round(ageS(clock.now(), t_fix[slot]!)), team: meta.team, kind: meta.kind, branch: meta.branch,
        accuracy_m: hacc[slot]! === ABSENT.u16 ? null : hacc[slot]! / 10, reported_by: meta.reported?.by ?? null,
      },
    }
  })
}

export const drawingsGiven = (): Given[] => drawings.peek().map(given)

function given(drawing: Drawing): Given {
  const { geometry, words, by, kind, t_utc_ms, radii_m } = drawing
  const common = { name: words || t(`d_${kind}`), t: t_utc_ms, about: { kind, by, sign: drawing.sign, radii_m: radii_m.join(' ') || null } }
  if (geometry.type === 'LineString') return { ...common, kind: 'line', rings: [geometry.coordinates] }
  if (geometry.type === 'Polygon') return { ...common, kind: 'area', rings: geometry.coordinates }
  const centre = geometry.type === 'Point' ? geometry.coordinates : ([0, 0] as [number, number])
  if (kind === 'rings') return { ...common, kind: 'line', rings: radii_m.map((metres) => ringAround(centre, metres)) }
  if (kind === 'sector') return { ...common, kind: 'area', rings: [sectorRing(centre, radii_m[0]!, drawing.from_deg ?? 0, drawing.to_deg ?? 360)] }
  return { ...common, kind: 'point', rings: [[centre]] }
}
