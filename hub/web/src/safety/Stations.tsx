/** Fixed stations: each value beside its threshold and its age; what is old is not shown as if it were now. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { allStations, stationSources, type StationSource } from '../api/safety'
import { clock, pulse } from '../app/core'
import { stations, takeSafety } from '../app/safety'
import { decodeSafety } from '../feed/decodeSafety'
import { isRecord } from '../feed/raw'
import type { StationMessage, StationValue } from '../feed/safety'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageText } from '../laws/words'
import { Trouble, useAct } from '../panels/acts'

const ASKED_MAX = 2_000

const kindWords = (kind: string): string => (`station_kind_${kind}` in zh ? t(`station_kind_${kind}` as Key) : kind)
const isOver = ({ values }: StationMessage): boolean => values.some(({ over }) => over)

export function Stations() {
  const sources = useSignal<StationSource[]>([])
  const { trouble, run } = useAct()
  useEffect(() => {
    void run(async () => {
      sources.value = (await stationSources()).sources
      for (const one of await allStations(ASKED_MAX)) {
        const message = isRecord(one) ? decodeSafety(one) : null
        if (message?.k === 'station' && !isNewer(message)) takeSafety(message)
      }
    })
  }, [])
  const shown = [...stations.value].sort((a, b) => Number(isOver(b)) - Number(isOver(a)))
  return (
    <div class="board">
      {shown.length === 0 ? <p class="hint none">{t('stations_none')}</p> : shown.map((one) => <Station key={one.id} one={one} />)}
      {sources.value.length > 0 && <Sources sources={sources.value} />}
      <Trouble words={trouble} />
    </div>
  )
}

/** Whether the feed told something newer while the page was asked. */
function isNewer(asked: StationMessage): boolean {
  const newest = (one: StationMessage): number => Math.max(0, ...one.values.map(({ t: at }) => at ?? 0))
  const known = stations.peek().find(({ id }) => id === asked.id)
  return known !== undefined && newest(known) > newest(asked)
}

function Station({ one }: { one: StationMessage }) {
  void pulse.value
  return (
    <article class="station" data-testid="station" data-over={isOver(one) ? 'true' : undefined}>
      <header><h3>{one.name || one.id}</h3><span class="says">{[kindWords(one.kind), one.source].filter(Boolean).join(' · ')}</span></header>
      <table class="members"><tbody>{one.values.map((v) => <Row key={v.name} v={v} staleS={one.stale_s} />)}</tbody></table>
    </article>
  )
}

function Row({ v, staleS }: { v: StationValue; staleS: number | null }) {
  const ageS = v.t === null ? NaN : (clock.now() - v.t) / 1000
  const stale = staleS !== null && !(ageS <= staleS)
  const colour = v.colour && `colour_${v.colour}` in zh ? t(`colour_${v.colour}` as Key) : ''
  return (
    <tr class={`${v.over ? 'misses' : ''} ${stale ? 'old' : ''}`} data-stale={stale ? 'true' : undefined}>
      <th scope="row">{v[lang.value] || v.name}</th>
      <td><b>{v.value ?? '—'} {v.unit}</b>{v.over && ` · ${t('exceeds')} ${colour}`}</td>
      <td>{v.threshold === null ? '' : t('limit', { value: v.threshold })}</td>
      <td class="age">{ageText(ageS)}{stale && ` · ${t('station_stale')}`}</td>
    </tr>
  )
}

function Sources({ sources }: { sources: StationSource[] }) {
  return (
    <section data-testid="station-sources">
      <h3>{t('station_sources')}</h3>
      {sources.map((s) => (
        <p key={s.name} class={s.failing_since_ms === null ? 'hint' : 'warn'}>
          <b>{s.name}</b> {s.failing_since_ms === null
            ? t('source_ok', { readings: s.readings })
            : t('source_fails', { age: ageText((clock.now() - s.failing_since_ms) / 1000), why: s.why })}
          {s.refused > 0 && <small> · {t('source_refused', { n: s.refused, row: s.bad.at(-1)?.row ?? '', column: s.bad.at(-1)?.column ?? '', words: s.bad.at(-1)?.words ?? '' })}</small>}
        </p>
      ))}
    </section>
  )
}
