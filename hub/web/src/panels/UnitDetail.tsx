/** The right drawer: one unit, each value with its own age. */
import type { ComponentChildren } from 'preact'
import { clock, contactOf, onlineWord, pulse, select, selectedId, store } from '../app/core'
import { CURVES_WINDOW_MS, detailData } from '../app/detailFeed'
import { mayPhysiology } from '../app/session'
import { ABSENT } from '../feed/messages'
import type { Series, Value } from '../api/http'
import { t, type Key } from '../i18n'
import { ageS, FLAG_BODY, FLAG_CLOCK_UNPROVEN, FLAG_DEVICE, FLAG_GAS, FLAG_LOW_AIR, FLAG_MAN_DOWN, FLAG_OUTLIER, FLAG_QUARANTINED, FLAG_RECKONED, FLAG_SOS, state } from '../laws/contact'
import { boundM } from '../laws/reckon'
import { ACCURACY_UNKNOWN_M, doubtM, MOTIONS } from '../laws/doubt'
import { placeText } from '../app/ground'
import { ageText, clockText, metresText, speedText } from '../laws/words'
import { grouped, minutesText, nameOf, valueText } from './measures'
import { LinkLines } from './Links'
import { reportedWords } from './reported'
import { cursorAt, Spark } from './Spark'
import { StateSign, UnitSign } from './signs'
import { UnitEvents, UnitMessages } from './UnitEvents'
import { UnitActs } from './UnitActs'
import { Buddy, InsideSince } from './UnitCompany'
import { UnitTalk } from './UnitTalk'
import { has } from '../app/parts'
import { VehicleStatePart } from './VehicleState'

/** A little more than one stretch of the curves' window. */
const BUCKET_MS = 20_000

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
        <UnitSign kind={meta.kind} branch={meta.branch} contact={heard} reported={meta.reported !== undefined} size={40} />
        <h2 data-testid="detail-callsign">{meta.callsign}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => select(null)}>✕</button>
      </div>
      <div class="states">
        {(flags & FLAG_SOS) !== 0 && <Chip is="sos" />}
        {(flags & FLAG_MAN_DOWN) !== 0 && <Chip is="mandown" />}
        {(!meta.reported || heard !== 'online') && <Chip is={heard} />}
        {meta.reported && <span class="chip chip-reported" data-testid="reported-by">{reportedWords(meta)}</span>}
        {(flags & FLAG_GAS) !== 0 && <Chip is="gas" />}
        {(flags & FLAG_LOW_AIR) !== 0 && <Chip is="lowair" />}
        {(flags & FLAG_BODY) !== 0 && <Chip is="body" />}
        {(flags & FLAG_DEVICE) !== 0 && <Chip is="device_fault" />}
      </div>
      <UnitActs slot={slot} />
      <Countdown />
      <Position slot={slot} />
      <InsideSince slot={slot} />
      <UnitEvents slot={slot} />
      {meta.kind === 'vehicle' && !meta.reported && has('vehicles') && <VehicleStatePart key={`vehicle ${id}`} id={id} />}
      <UnitTalk key={id} slot={slot} />
      <UnitMessages slot={slot} />
      <Facts slot={slot} />
      <Buddy slot={slot} />
      <Bearers />
      <Values />
      <Curves />
    </aside>
  )
}

function Chip({ is }: { is: 'sos' | 'mandown' | 'gas' | 'lowair' | 'body' | 'device_fault' | 'online' | 'stale' | 'lost' | 'unheard' }) {
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
  const reckoned = (flags[slot]! & FLAG_RECKONED) !== 0
  const accuracy = known ? hacc[slot]! / 10 : ACCURACY_UNKNOWN_M
  const motion = MOTIONS[meta.kind]
  const doubt = reckoned ? accuracy + boundM(age, motion.speedMaxMps) : doubtM(accuracy, age, motion)
  const unproven = (flags[slot]! & FLAG_CLOCK_UNPROVEN) !== 0
  return (
    <div class="position">
      <div class="big">
        <span>{t('position_age')}<b data-testid="detail-age">{unproven ? '≈' : ''}{ageText(age)}</b></span>
        <span>{t('heard_age')}<b>{ageText(heard)}</b></span>
      </div>
      {Number.isNaN(age) ? <p>{t('no_position')}</p> : (
        <>
          <p class="coordinates">{placeText(lat[slot]! / 1e7, lon[slot]! / 1e7)}</p>
          <p class="doubt">
            {t('doubt', { m: metresText(doubt) })}
            {!known && ` · ${t('doubt_assumed', { m: metresText(ACCURACY_UNKNOWN_M) })}`}
          </p>
        </>
      )}
      {reckoned && <p class="doubt">{t('reckoned')}</p>}
      {unproven && <p class="warn">{t('clock_unproven')}</p>}
      {(flags[slot]! & FLAG_OUTLIER) !== 0 && <p class="warn">{t('outlier')}</p>}
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
      {!meta.reported && <Fact name="team">{meta.team || t('no_team')}</Fact>}
      <Fact name="kind">{t(meta.kind)}{!meta.reported && ` · ${t(`branch_${meta.branch}`)}`}</Fact>
      <Fact name="altitude">{unless(ABSENT.alt, alt[slot]!, (v) => `${(v / 10).toFixed(0)} m`)}</Fact>
      <Fact name="speed">{unless(ABSENT.u16, speed[slot]!, (v) => speedText(v / 10))}</Fact>
      <Fact name="course">{unless(ABSENT.u16, course[slot]!, (v) => `${String(v).padStart(3, '0')}°`)}</Fact>
      <Fact name="accuracy">{unless(ABSENT.u16, hacc[slot]!, (v) => metresText(v / 10))}</Fact>
      <Fact name="mode">{mode[slot]! <= 6 && !(meta.reported && mode[slot] === 0) ? t(`mode_${mode[slot]!}` as Key) : t('unknown')}</Fact>
      {!meta.reported && <Fact name="device">{meta.device}</Fact>}
    </dl>
  )
}

function Fact({ name, children }: { name: Key; children: ComponentChildren }) {
  return <div><dt>{t(name)}</dt><dd>{children}</dd></div>
}

function Bearers() {
  const links = detailData.value?.links
  if (!links || (links.links.length === 0 && links.ways.length === 0)) return null
  return (
    <section>
      <h3>{t('path')}</h3>
      <LinkLines of={links} />
    </section>
  )
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
          <span class="now">{cursorAt.value === null ? <>{valueText(value)}<OldAge at={value.t_utc_ms} /></> : atCursor(value, series, cursorAt.value)}</span>
          <Spark series={series} fromMs={data.at - CURVES_WINDOW_MS} toMs={data.at} />
        </div>
      ))}
      <Axis fromMs={data.at - CURVES_WINDOW_MS} toMs={data.at} />
    </section>
  )
}

/** What the curve says where the pointer stands; nothing where nothing came. */
function atCursor(value: Value, { t: times, min, max }: Series, at: number): string {
  const i = times.findLastIndex((one) => one <= at + BUCKET_MS / 2)
  if (i < 0 || at - times[i]! > BUCKET_MS) return '—'
  const [low, high] = [min[i], max[i]].map((one) => valueText({ ...value, value: one }))
  return low === high ? low! : `${low} – ${high}`
}

/** One axis for all curves: what went up when something else went down. */
function Axis({ fromMs, toMs }: { fromMs: number; toMs: number }) {
  return (
    <p class="axis" aria-hidden="true">
      {cursorAt.value === null ? [0, 0.5, 1].map((share) => <span key={share}>{clockText(fromMs + share * (toMs - fromMs)).slice(0, 5)}</span>) : <b>{clockText(cursorAt.value)}</b>}
    </p>
  )
}

/** Nearer to turning back than this is shown as near. */
const SOON_S = 120

/** A value that did not come just now says so: beside a curve it would look like the present. */
const FRESH_S = 10

function OldAge({ at }: { at: number }) {
  void pulse.value
  const age = ageS(clock.now(), at)
  return age > FRESH_S ? <small class="old-age"> · {t('ago', { age: ageText(age) })}</small> : null
}

function Values() {
  void pulse.value
  const data = detailData.value
  if (!data) return null
  const groups = grouped(data.values)
  const slot = store.slotOf(data.id)
  const meta = slot === undefined ? undefined : store.meta(slot)
  // Without this line an absent heart rate would look like a sensor that fell off.
  const hidden = meta?.kind === 'person' && !meta.reported && !mayPhysiology(meta.team)
  return (
    <section class="values">
      {data.failed !== 0 && <p class="warn">{t('values_failed', { status: data.failed < 0 ? '—' : data.failed, age: ageText(ageS(clock.now(), data.at)) })}</p>}
      {data.failed === 0 && groups.length === 0 && <p>{t('values_none')}</p>}
      {hidden && <Group name="group_life"><tr data-testid="physiology-hidden"><th scope="row">{t('physiology')}</th><td colSpan={2}>{t('not_for_role')}</td></tr>{groups.filter(([key]) => key === 'group_life').map(([, rows]) => rows.map((value) => <ValueRow key={value.name} value={value} all={data.values} />))}</Group>}
      {groups.filter(([key]) => !(hidden && key === 'group_life')).map(([key, rows]) => (
        <Group key={key} name={key}>{rows.map((value) => <ValueRow key={value.name} value={value} all={data.values} />)}</Group>
      ))}
    </section>
  )
}

function Group({ name, children }: { name: Key; children: ComponentChildren }) {
  return (
    <>
      <h3>{t(name)}</h3>
      <table data-testid={name}>
        <thead class="spoken"><tr><th>{t('values')}</th><th /><th>{t('value_age')}</th></tr></thead>
        <tbody>{children}</tbody>
      </table>
    </>
  )
}

function ValueRow({ value, all }: { value: Value; all: readonly Value[] }) {
  void pulse.value
  return (
    <tr>
      <th scope="row">{nameOf(value)}</th>
      <td>{valueText(value, all)}</td>
      <td class="age">{ageText(ageS(clock.now(), value.t_utc_ms))}</td>
    </tr>
  )
}

const COUNTED = ['turn_back_s', 'air_left_s'] as const

/** What is left of the air: the numbers on which somebody turns round. Never counted on by ourselves: each has its age. */
function Countdown() {
  void pulse.value
  const found = COUNTED.flatMap((name) => detailData.value?.values.filter((value) => value.name === name) ?? [])
  if (found.length === 0) return null
  return (
    <div class="countdown" data-testid="countdown">
      {found.map((value) => {
        const seconds = Number(value.value)
        const age = ageS(clock.now(), value.t_utc_ms)
        return (
          <span key={value.name} class={`${seconds <= 0 ? 'over' : seconds < SOON_S ? 'near' : ''} ${age > FRESH_S ? 'old' : ''}`}>
            {nameOf(value)}
            <b>{minutesText(seconds)}</b>
            <small>{age > FRESH_S ? t('ago', { age: ageText(age) }) : t('min_s')}</small>
          </span>
        )
      })}
    </div>
  )
}
