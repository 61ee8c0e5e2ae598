/** The right drawer: one unit, each value with its own age. */
import type { ComponentChildren } from 'preact'
import { clock, contactOf, onlineWord, pulse, select, selectedId, store } from '../app/core'
import { CURVES_WINDOW_MS, detailData } from '../app/detailFeed'
import { mayPhysiology } from '../app/session'
import { ABSENT } from '../feed/messages'
import type { Value } from '../api/http'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageS, FLAG_CLOCK_UNPROVEN, FLAG_GAS, FLAG_LOW_AIR, FLAG_MAN_DOWN, FLAG_QUARANTINED, FLAG_SOS, state } from '../laws/contact'
import { ACCURACY_UNKNOWN_M, doubtM, MOTIONS } from '../laws/doubt'
import { ageText, measureText, metresText, positionText } from '../laws/words'
import { Spark } from './Spark'
import { StateSign, UnitSign } from './signs'

export function UnitDetail() {
  const id = selectedId.value
  void pulse.value
  const slot = id === null ? undefined : store.slotOf(id)
  const meta = slot === undefined ? undefined : store.meta(slot)
  if (id === null || slot === undefined || !meta) return null
  const heard = contactOf(slot)
  const flags = store.col.flags[slot]!
  const now = state(heard, flags)
  return (
    <aside class="detail" data-testid="detail" data-unit-id={id} data-state={now} aria-label={t('detail')}>
      <div class="title">
        <UnitSign kind={meta.kind} branch={meta.branch} contact={heard} size={40} />
        <h2 data-testid="detail-callsign">{meta.callsign}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => select(null)}>✕</button>
      </div>
      <div class="states">
        {(flags & FLAG_SOS) !== 0 && <Chip is="sos" />}
        {(flags & FLAG_MAN_DOWN) !== 0 && <Chip is="mandown" />}
        <Chip is={heard} />
        {(flags & FLAG_GAS) !== 0 && <Chip is="gas" />}
        {(flags & FLAG_LOW_AIR) !== 0 && <Chip is="lowair" />}
      </div>
      <Position slot={slot} />
      <Facts slot={slot} />
      <Curves />
      <Values />
    </aside>
  )
}

function Chip({ is }: { is: 'sos' | 'mandown' | 'gas' | 'lowair' | 'online' | 'stale' | 'lost' | 'unheard' }) {
  return <span class={`chip chip-${is}`}><StateSign state={is} />{t(is === 'online' ? onlineWord() : is)}</span>
}

function Position({ slot }: { slot: number }) {
  // Signals skip a child whose props did not change, so each part that shows an age listens for itself.
  void pulse.value
  const { t_fix, t_rx, lat, lon, hacc, flags } = store.col
  const meta = store.meta(slot)!
  const age = ageS(clock.now(), t_fix[slot]!)
  const heard = ageS(clock.now(), t_rx[slot]!)
  const known = hacc[slot]! !== ABSENT.u16
  const doubt = doubtM(known ? hacc[slot]! / 10 : ACCURACY_UNKNOWN_M, age, MOTIONS[meta.kind])
  const unproven = (flags[slot]! & FLAG_CLOCK_UNPROVEN) !== 0
  return (
    <div class="position">
      <div class="big">
        <span>{t('position_age')}<b data-testid="detail-age">{unproven ? '≈' : ''}{ageText(age)}</b></span>
        <span>{t('heard_age')}<b>{ageText(heard)}</b></span>
      </div>
      {Number.isNaN(age) ? <p>{t('no_position')}</p> : (
        <>
          <p class="coordinates">{positionText(lat[slot]! / 1e7, lon[slot]! / 1e7)}</p>
          <p class="doubt">
            {t('doubt', { m: metresText(doubt) })}
            {!known && ` · ${t('doubt_assumed', { m: metresText(ACCURACY_UNKNOWN_M) })}`}
          </p>
        </>
      )}
      {unproven && <p class="warn">{t('clock_unproven')}</p>}
      {(flags[slot]! & FLAG_QUARANTINED) !== 0 && <p class="warn">{t('quarantined')}</p>}
    </div>
  )
}

function Facts({ slot }: { slot: number }) {
  void pulse.value
  const { alt, speed, course, hacc, mode } = store.col
  const meta = store.meta(slot)!
  const unless = (absent: number, value: number, words: (value: number) => string): string =>
    value === absent ? t('unknown') : words(value)
  return (
    <dl class="facts">
      <Fact name="team">{meta.team || t('no_team')}</Fact>
      <Fact name="kind">{t(meta.kind)} · {t(`branch_${meta.branch}`)}</Fact>
      <Fact name="altitude">{unless(ABSENT.alt, alt[slot]!, (v) => `${(v / 10).toFixed(0)} m`)}</Fact>
      <Fact name="speed">{unless(ABSENT.u16, speed[slot]!, (v) => `${(v / 10).toFixed(1)} m/s`)}</Fact>
      <Fact name="course">{unless(ABSENT.u16, course[slot]!, (v) => `${String(v).padStart(3, '0')}°`)}</Fact>
      <Fact name="accuracy">{unless(ABSENT.u16, hacc[slot]!, (v) => metresText(v / 10))}</Fact>
      <Fact name="mode">{mode[slot]! <= 6 ? t(`mode_${mode[slot]!}` as Key) : t('unknown')}</Fact>
      <Fact name="device">{meta.device}</Fact>
    </dl>
  )
}

function Fact({ name, children }: { name: Key; children: ComponentChildren }) {
  return <div><dt>{t(name)}</dt><dd>{children}</dd></div>
}

function Curves() {
  const data = detailData.value
  if (!data || data.curves.length === 0) return null
  return (
    <section class="curves">
      <h3>{t('curves')}</h3>
      {data.curves.map(({ value, series }) => (
        <div class="curve" key={value.name}>
          <span class="what">{nameOf(value)}</span>
          <span class="now">{valueText(value)}<OldAge at={value.t_utc_ms} /></span>
          <Spark series={series} fromMs={data.at - CURVES_WINDOW_MS} toMs={data.at} />
        </div>
      ))}
    </section>
  )
}

/** A value that did not come just now says so: beside a curve it would look like the present. */
const FRESH_S = 10

function OldAge({ at }: { at: number }) {
  void pulse.value
  const age = ageS(clock.now(), at)
  return age > FRESH_S ? <small class="old-age"> · {t('ago', { age: ageText(age) })}</small> : null
}

/** Stand in words above, as parts of the position and with its age. */
const SAID_ABOVE = /^(lat|lon|fix_mode|hacc|course)(_|$)/

function Values() {
  void pulse.value
  const data = detailData.value
  if (!data) return null
  const rows = data.values.filter(({ name }) => !SAID_ABOVE.test(name))
  const slot = store.slotOf(data.id)
  const meta = slot === undefined ? undefined : store.meta(slot)
  // Without this line an absent heart rate would look like a sensor that fell off.
  const hidden = meta?.kind === 'person' && !mayPhysiology(meta.team)
  return (
    <section class="values">
      <h3>{t('values')}</h3>
      {data.failed !== 0 && <p class="warn">{t('values_failed', { status: data.failed < 0 ? '—' : data.failed, age: ageText(ageS(clock.now(), data.at)) })}</p>}
      {data.failed === 0 && rows.length === 0 && <p>{t('values_none')}</p>}
      {(rows.length > 0 || hidden) && (
        <table>
          <thead class="spoken"><tr><th>{t('values')}</th><th /><th>{t('value_age')}</th></tr></thead>
          <tbody>
            {hidden && <tr data-testid="physiology-hidden"><th scope="row">{t('heart')}</th><td colSpan={2}>{t('not_for_role')}</td></tr>}
            {rows.map((value) => (
              <tr key={value.name}>
                <th scope="row">{nameOf(value)}</th>
                <td>{valueText(value)}</td>
                <td class="age">{ageText(ageS(clock.now(), value.t_utc_ms))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

const nameOf = (value: Value): string => (lang.value === 'zh' ? value.zh : value.en) || value.name

function valueText({ name, value, unit }: Value): string {
  if (value === null || value === undefined) return '—'
  if (name === 'fix_mode' && `mode_${value}` in zh) return t(`mode_${value}` as Key)
  if (name === 'clock_source' && `clock_${value}` in zh) return t(`clock_${value}` as Key)
  return typeof value === 'number' ? measureText(value, unit, t('per_minute')) : String(value)
}
