/** Ctrl-K: any command and any unit by a few letters. It lies over the map, below the alarms, and locks nothing. */
import { useEffect, useRef } from 'preact/hooks'
import { clock, pulse, store } from '../app/core'
import { at, closePalette, found, paletteOpen, typed, type Found } from '../app/palette'
import { showUnit } from '../app/show'
import { t } from '../i18n'
import { ageS } from '../laws/contact'
import { ageText } from '../laws/words'
import { keyWords } from './HelpDrawer'
import { StateSign, UnitSign } from './signs'

function take(one: Found): void {
  closePalette()
  if ('unit' in one) showUnit(one.unit.id)
  else one.command.run()
}

function onKey(event: KeyboardEvent): void {
  const list = found.value
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (event.key === 'Enter' && list[at.value]) take(list[at.value]!)
  else if (step !== undefined && list.length > 0) at.value = (at.value + step + list.length) % list.length
  else return
  event.preventDefault()
}

export function Palette() {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [paletteOpen.value])
  if (!paletteOpen.value) return null
  const list = found.value
  const now = Math.min(at.value, list.length - 1)
  return (
    <section class="palette" data-testid="palette" aria-label={t('palette')}
      onFocusOut={(event) => { if (event.relatedTarget instanceof Node && !event.currentTarget.contains(event.relatedTarget)) closePalette() }}>
      <input ref={input} data-testid="palette-input" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"
        aria-activedescendant={now >= 0 ? `palette-${now}` : undefined} aria-label={t('palette')} placeholder={t('palette_hint')} value={typed.value}
        autocomplete="off" spellcheck={false} onKeyDown={onKey}
        onInput={(event) => { typed.value = event.currentTarget.value; at.value = 0 }} />
      <div class="palette-list" role="listbox" id="palette-list" aria-label={t('palette')}>
        {list.map((one, i) => <Line key={'unit' in one ? one.unit.id : one.command.id} one={one} i={i} now={i === now} />)}
      </div>
      {list.length === 0 && <p class="none" role="status">{t('palette_none')}</p>}
    </section>
  )
}

function Line({ one, i, now }: { one: Found; i: number; now: boolean }) {
  const line = useRef<HTMLDivElement>(null)
  useEffect(() => { if (now) line.current?.scrollIntoView({ block: 'nearest' }) }, [now])
  const common = { class: `palette-line ${now ? 'selected' : ''}`, role: 'option' as const, id: `palette-${i}`, 'aria-selected': now, ref: line, onClick: () => take(one) }
  if ('command' in one) return <div {...common} data-testid="palette-command"><span>{t(one.command.name)}</span><kbd>{keyWords(one.command)}</kbd></div>
  void pulse.value
  const { unit } = one
  const meta = store.meta(unit.slot)
  if (!meta) return null
  return (
    <div {...common} data-testid="palette-unit" data-unit-id={unit.id}>
      <UnitSign kind={meta.kind} branch={meta.branch} contact={unit.contact} reported={unit.reported} size={24} />
      <strong>{unit.callsign}</strong><span class="team">{unit.team}</span>
      <span class="age"><StateSign state={unit.state} /> {ageText(ageS(clock.now(), store.col.t_fix[unit.slot]!))}</span>
    </div>
  )
}
