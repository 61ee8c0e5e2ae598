/** Distance, bearing and area by clicks on the map. Nothing of it is kept. */
import { prefs } from '../app/ground'
import { t } from '../i18n'
import { areaM2, lengthM } from '../laws/geo'
import { angleText, areaText, distanceText } from '../laws/places'
import { begin, hand, isMeasure, legsOf } from './hand'

const TOOLS = ['distance', 'extent'] as const
const LEGS_SHOWN = 30

export function Measure() {
  const now = hand.value && isMeasure(hand.value.tool) ? hand.value : null
  return (
    <>
      <div class="quick">
        {TOOLS.map((tool) => <button key={tool} data-testid={`measure-${tool}`} aria-pressed={now?.tool === tool} onClick={() => begin(tool)}>{t(`m_${tool}`)}</button>)}
      </div>
      {now && <p class="hint">{t('m_hint')}</p>}
      {now && now.points.length > 1 && (
        <div data-testid="measured">
          <p class="big-number">{now.tool === 'extent' ? t('m_area', { n: areaText(now.points.length > 2 ? areaM2(now.points) : 0), m: distanceText(lengthM([...now.points, now.points[0]!])) }) : t('m_total', { n: distanceText(lengthM(now.points)) })}</p>
          <ol class="legs">
            {legsOf(now.points).slice(-LEGS_SHOWN).map(({ metres, bearingDeg }, i) => <li key={i}>{distanceText(metres)} · {angleText(bearingDeg, prefs.value.angle)}</li>)}
          </ol>
        </div>
      )}
    </>
  )
}
