/** Fixed stations: each value beside its threshold and its age. */
import { clock, pulse } from '../app/core'
import { stations } from '../app/safety'
import type { StationMessage } from '../feed/safety'
import { lang, t } from '../i18n'
import { ageText } from '../laws/words'

export function Stations() {
  return <div class="board">{stations.value.length === 0 ? <p class="hint none">{t('stations_none')}</p> : stations.value.map((one) => <Station key={one.id} one={one} />)}</div>
}

function Station({ one }: { one: StationMessage }) {
  void pulse.value
  return (
    <article class="station" data-testid="station">
      <header><h3>{one.name || one.id}</h3><span class="says">{[one.kind, one.source].filter(Boolean).join(' · ')}</span></header>
      <table class="members"><tbody>{one.values.map((v) => (
        <tr key={v.name} class={v.over ? 'misses' : ''}>
          <th scope="row">{v[lang.value] || v.name}</th>
          <td><b>{v.value ?? '—'} {v.unit}</b>{v.over && ` · ${t('exceeds')}`}</td>
          <td>{v.threshold === null ? '' : t('limit', { value: v.threshold })}</td>
          <td class="age">{ageText(v.t === null ? NaN : (clock.now() - v.t) / 1000)}</td>
        </tr>
      ))}</tbody></table>
    </article>
  )
}
