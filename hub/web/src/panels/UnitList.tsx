/**
 * Everyone, by team, who is worst off first. Only the rows in sight exist in the page, so 1,500 units cost as
 * much as 30. It is also the map for those who can not see the map: every symbol has its row here.
 */
import { computed, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { clock, onlineWord, pulse, roster, selectedId, store, type Unit } from '../app/core'
import { listOpen, query, searchBox } from '../app/listState'
import { pane } from '../app/pane'
import { pick, showUnit } from '../app/show'
import { chosen, scope } from '../app/targets'
import { lang, t } from '../i18n'
import { ageS, FLAG_BODY, FLAG_CLOCK_UNPROVEN, FLAG_GAS, FLAG_LOW_AIR } from '../laws/contact'
import { matches, teams } from '../laws/order'
import { ageText } from '../laws/words'
import { floorText, isInside } from '../laws/inside'
import { vehicles } from '../app/vehicles'
import { MySquad } from './MySquad'
import { reportedWords } from './reported'
import { StateSign, UnitSign } from './signs'

const ROW_PX = 56
const HEAD_PX = 44
const SPARE_PX = 200

const isDanger = ({ state }: Unit): boolean => state === 'sos' || state === 'mandown'
/** Teams that show nobody but who is in danger. A search opens them all. */
const folded = signal<ReadonlySet<string>>(new Set())

function fold(team: string): void {
  const next = new Set(folded.peek())
  if (!next.delete(team)) next.add(team)
  folded.value = next
}

type Line = { top: number; team: string; units: Unit[] } | { top: number; unit: Unit }

const found = computed(() => {
  const typed = query.value.trim()
  return typed === '' ? roster.value : roster.value.filter(({ callsign, team, id }) => matches(typed, callsign, team, id))
})

const lines = computed(() => {
  const list: Line[] = []
  let top = 0
  for (const team of teams(found.value)) {
    list.push({ top, team: team.name, units: team.units })
    top += HEAD_PX
    const closed = folded.value.has(team.name) && query.value.trim() === ''
    for (const unit of closed ? team.units.filter(isDanger) : team.units) {
      list.push({ top, unit })
      top += ROW_PX
    }
  }
  return { list, height: top, ids: list.flatMap((line) => ('unit' in line ? [line.unit.id] : [])) }
})

const scrollTop = signal(0)
const windowPx = signal(1200)

export function UnitList() {
  return (
    <aside class={`side ${listOpen.value ? 'open' : ''}`} aria-label={t('list_label')}>
      <MySquad />
      <div class="find">
        <input
          ref={searchBox} type="search" data-testid="search" aria-label={t('search')} placeholder={t('search')} value={query.value}
          onInput={(event) => (query.value = event.currentTarget.value)} onFocus={() => (listOpen.value = true)}
          onKeyDown={(event) => onKey(event)}
        />
      </div>
      <Rows />
    </aside>
  )
}

function Rows() {
  const box = useRef<HTMLDivElement>(null)
  const { list, height, ids } = lines.value
  const selected = selectedId.value
  const marked = pane.value === 'orders' && scope.value.of === 'units' ? chosen.value : []
  useEffect(() => {
    const place = box.current!
    const watch = new ResizeObserver(() => (windowPx.value = place.clientHeight))
    watch.observe(place)
    return () => watch.disconnect()
  }, [list.length === 0])
  useEffect(() => reveal(box.current!, selected), [selected])
  if (list.length === 0) return <p class="none" ref={box}>{query.value.trim() ? t('search_none', { q: query.value }) : t('empty')}</p>
  const from = scrollTop.value - SPARE_PX
  const to = scrollTop.value + windowPx.value + SPARE_PX
  return (
    <div
      class="rows" role="tree" tabIndex={0} aria-label={t('units')} ref={box}
      aria-activedescendant={selected && ids.includes(selected) ? `unit-${selected}` : undefined}
      onScroll={(event) => (scrollTop.value = event.currentTarget.scrollTop)} onKeyDown={(event) => onKey(event)}
    >
      <div class="sheet" role="presentation" style={{ height: `${height}px` }}>
        {list.filter(({ top }) => top > from - ROW_PX && top < to).map((line) =>
          'unit' in line
            ? <Row key={line.unit.id} unit={line.unit} top={line.top} selected={marked.length > 0 ? marked.includes(line.unit.id) : line.unit.id === selected} place={ids.indexOf(line.unit.id) + 1} size={ids.length} />
            : <Head key={`team:${line.team}`} top={line.top} team={line.team} units={line.units} />,
        )}
      </div>
    </div>
  )
}

function Head({ top, team, units }: { top: number; team: string; units: Unit[] }) {
  // What others report is nobody's team: there is nobody of it to be online.
  const reported = units[0]?.reported === true
  const well = units.filter(({ state }) => state === 'online').length
  const closed = folded.value.has(team)
  return (
    <button class="head" role="treeitem" aria-level={1} aria-selected={false} tabIndex={-1} data-testid="team-head" aria-expanded={!closed} style={{ transform: `translateY(${top}px)` }} onClick={() => fold(team)}>
      <span><i aria-hidden="true">{closed ? '▸' : '▾'}</i> {reported ? team : team || t('no_team')}</span>
      <span class="of">{reported ? units.length : `${t(onlineWord())} ${well}/${units.length}`}</span>
    </button>
  )
}

function Row({ unit, top, selected, place, size }: { unit: Unit; top: number; selected: boolean; place: number; size: number }) {
  void pulse.value
  const meta = store.meta(unit.slot)
  if (!meta) return null
  const flags = store.col.flags[unit.slot]!
  const age = ageS(clock.now(), store.col.t_fix[unit.slot]!)
  const danger = isDanger(unit)
  const vehicle = vehicles.value.get(unit.slot)
  const said = unit.state === 'sos' ? 'sos_short' : unit.state === 'online' ? onlineWord() : unit.state
  return (
    <div
      class={`row row-${unit.state} ${selected ? 'selected' : ''}`} role="treeitem" aria-level={2} id={`unit-${unit.id}`} aria-selected={selected}
      aria-posinset={place} aria-setsize={size} style={{ transform: `translateY(${top}px)` }}
      data-testid="unit-row" data-unit-id={unit.id} data-state={unit.state} data-contact={unit.contact} onClick={() => pick(unit.id)}
    >
      <UnitSign kind={meta.kind} branch={meta.branch} contact={unit.contact} reported={unit.reported} />
      <span class="callsign">{unit.callsign}</span>
      <span class="says">
        {unit.reported ? <>{reportedWords(meta)}{unit.contact !== 'online' && <> · {t(unit.contact)}</>}</> : <><StateSign state={unit.state} />{t(said)}</>}
        {vehicle && <> · {lang.value === 'zh' ? vehicle.zh : vehicle.en}</>}
        {isInside(meta.entry, store.col.t_fix[unit.slot]!) && <> · {floorText(meta.floor) || t('inside_short')}</>}
        {danger && unit.contact !== 'online' && <> · <StateSign state={unit.contact} />{t(unit.contact)}</>}
        {flags & FLAG_GAS ? <> · <StateSign state="gas" />{t('gas')}</> : null}
        {flags & FLAG_LOW_AIR ? <> · <StateSign state="lowair" />{t('lowair')}</> : null}
        {flags & FLAG_BODY ? <> · <StateSign state="body" />{t('body')}</> : null}
        {Number.isNaN(age) && unit.contact !== 'unheard' ? ` · ${t('no_position')}` : ''}
      </span>
      <span class="age" data-testid="unit-age" title={flags & FLAG_CLOCK_UNPROVEN ? t('clock_unproven') : t('position_age')}>
        {flags & FLAG_CLOCK_UNPROVEN ? '≈' : ''}{ageText(age)}
      </span>
    </div>
  )
}

/** Arrows go through the list as it stands; they work from the search box too. */
function onKey(event: KeyboardEvent): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
  const { ids } = lines.value
  if (ids.length === 0) return
  const here = ids.indexOf(selectedId.value ?? '')
  if (event.key === 'Enter') {
    event.preventDefault()
    pick(ids[here < 0 ? 0 : here]!)
    // What was looked for is found: the list is whole again, and keys are keys.
    query.value = ''
    document.querySelector<HTMLElement>('.rows')?.focus()
  } else if (step !== 0 && pane.peek() !== 'orders') {
    event.preventDefault()
    showUnit(ids[here < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, here + step))]!)
  }
}

function reveal(box: HTMLElement, id: string | null): void {
  const line = lines.value.list.find((one) => 'unit' in one && one.unit.id === id)
  if (!line) return
  if (line.top < box.scrollTop) box.scrollTop = line.top - HEAD_PX
  else if (line.top + ROW_PX > box.scrollTop + box.clientHeight) box.scrollTop = line.top + ROW_PX - box.clientHeight
}
