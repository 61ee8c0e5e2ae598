/** Own drawings: a new one by clicks, changes, undo and redo; the list of all that one sees. */
import { clock, pulse } from '../app/core'
import { drawings } from '../app/ground'
import { DRAWING_KINDS, type Drawing } from '../feed/ground'
import { t } from '../i18n'
import { ageS } from '../laws/contact'
import { ageText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { ahead, bearings, begin, beginChange, done, drawn, hand, ink, isMeasure, isShared, keep, keyTrouble, own, radii, redo, remove, sign, stop, undo, undone, words } from './hand'

const SIGNS = ['dot', 'cross', 'flag', 'square', 'triangle', 'star', 'door', 'water', 'camera', 'pad'] as const
const INKS = ['plain', 'blue', 'green', 'brown', 'violet'] as const
const LISTED_MAX = 200

export function Draw() {
  const { busy, trouble, run } = useAct()
  const now = hand.value && !isMeasure(hand.value.tool) && hand.value.tool !== 'control' ? hand.value : null
  const shown = [...drawings.value].sort((a, b) => b.t_utc_ms - a.t_utc_ms).slice(0, LISTED_MAX)
  return (
    <>
      <div class="quick">
        {DRAWING_KINDS.map((kind) => <button key={kind} data-testid={`draw-${kind}`} aria-pressed={now?.tool === kind} onClick={() => begin(kind)}>{t(`d_${kind}`)}</button>)}
      </div>
      <div class="quick">
        <button data-testid="draw-undo-act" disabled={busy.value || done.value.length === 0} onClick={() => void run(undo)}>{t('undo_act')}</button>
        <button data-testid="draw-redo-act" disabled={busy.value || undone.value.length === 0} onClick={() => void run(redo)}>{t('redo_act')}</button>
      </div>
      {!isShared() && <p class="hint">{t('d_local')}</p>}
      {now && <Making busy={busy.value} save={() => void run(keep)} />}
      <Trouble words={trouble} />
      <Trouble words={keyTrouble} />
      {shown.length === 0 ? <p class="hint none">{t('d_none')}</p> : shown.map((drawing) => <Row key={drawing.id} drawing={drawing} busy={busy.value} remove={() => void run(() => remove(drawing))} />)}
    </>
  )
}

function Making({ busy, save }: { busy: boolean; save: () => void }) {
  const now = hand.value!
  void ahead.value
  const hint = now.of ? 'd_hint_change' : now.tool === 'area' ? 'd_hint_area' : now.tool === 'line' || now.tool === 'arrow' ? 'd_hint_line' : 'd_hint_point'
  const made = drawn(now)
  const number = (i: 0 | 1): preact.JSX.Element => (
    <label class="entry"><span>{t(i === 0 ? 'd_from' : 'd_to')}</span><input type="number" min={0} max={360} value={bearings.value[i]} onInput={(event) => {
      const value = Math.min(360, Math.max(0, Number(event.currentTarget.value)))
      bearings.value = i === 0 ? [value, bearings.peek()[1]] : [bearings.peek()[0], value]
    }} /></label>
  )
  return (
    <div class="making" data-testid="making">
      <p>{t(hint)}</p>
      <label class="entry"><span>{t('d_words')}</span><input data-testid="draw-words" maxlength={200} value={words.value} onInput={(event) => (words.value = event.currentTarget.value)} /></label>
      {now.tool === 'point' && <label class="entry"><span>{t('d_sign')}</span><select data-testid="draw-sign" value={sign.value} onChange={(event) => (sign.value = event.currentTarget.value)}>{SIGNS.map((one) => <option key={one} value={one}>{t(`sign_${one}`)}</option>)}</select></label>}
      <label class="entry"><span>{t('d_ink')}</span><select value={ink.value} onChange={(event) => (ink.value = event.currentTarget.value)}>{INKS.map((one) => <option key={one} value={one}>{t(`ink_${one}`)}</option>)}</select></label>
      {(now.tool === 'rings' || now.tool === 'sector') && <label class="entry"><span>{t('d_radii')}</span><input data-testid="draw-radii" value={radii.value} onInput={(event) => (radii.value = event.currentTarget.value)} /></label>}
      {now.tool === 'sector' && number(0)}
      {now.tool === 'sector' && number(1)}
      {isShared() && <label class="check"><input type="checkbox" checked={own.value} onChange={() => (own.value = !own.peek())} />{t('d_own')}</label>}
      <div class="quick">
        <button class="main" data-testid="draw-save" disabled={busy || made === null} onClick={save}>{t('save')}</button>
        <button data-testid="draw-stop" onClick={stop}>{t('cancel')}</button>
      </div>
    </div>
  )
}

function Row({ drawing, busy, remove: drop }: { drawing: Drawing; busy: boolean; remove: () => void }) {
  void pulse.value
  const { kind, words: said, by, t_utc_ms, rev } = drawing
  const mine = rev === 0 || isShared()
  return (
    <article class="layer" data-testid="drawing-row" data-rev={rev}>
      <b>{said || t(`d_${kind}`)}</b>
      <p class="hint">{t(`d_${kind}`)} · {by} · {t('ago', { age: ageText(ageS(clock.now(), t_utc_ms)) })}{rev === 0 && ` · ${t('d_local_mark')}`}</p>
      {mine && (
        <div class="quick">
          <button data-testid="drawing-change" onClick={() => beginChange(drawing)}>{t('d_change')}</button>
          <Twice data-testid="drawing-delete" disabled={busy} onSure={drop}>{t('d_delete')}</Twice>
        </div>
      )}
    </article>
  )
}
