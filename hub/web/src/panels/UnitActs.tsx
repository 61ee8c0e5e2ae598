/** What one does first with a unit: call it, write to it, call it back, look at its picture. None of it asks in a dialog. */
import { me, may, maySee } from '../app/session'
import { camerasOf, watch } from '../app/readiness'
import { openPane } from '../app/pane'
import { aimAt } from '../app/targets'
import { store } from '../app/core'
import { giveSigned, giveWords, standing } from '../command/command'
import { t } from '../i18n'
import { Trouble, Twice, useAct } from './acts'

export function UnitActs({ slot }: { slot: number }) {
  const { busy, trouble, run } = useAct()
  const { id, team, callsign, reported } = store.meta(slot)!
  const some = camerasOf(id)
  if (reported && some.length === 0) return null
  const speaks = !reported && (may('dispatch') || may('order') || maySee(team))
  return (
    <div class="unit-acts" data-testid="unit-acts">
      {speaks && <button data-testid="act-call" disabled={busy.value} onClick={() => void run(() => giveWords('roll_call', id, t('act_call_words', { name: callsign, by: me.value?.name ?? '' })))}>{t('act_call')}</button>}
      {speaks && <button data-testid="act-text" onClick={() => document.querySelector<HTMLInputElement>('[data-testid=talk-words]')?.focus()}>{t('act_text')}</button>}
      {!reported && may('order') && (standing.value === 'ready'
        ? <Twice class="grave" data-testid="act-recall" disabled={busy.value} onSure={() => void run(() => giveSigned('retreat', id, ''))}>{t('act_recall')}</Twice>
        : <button data-testid="act-recall" onClick={() => { aimAt(id); openPane('orders') }}>{t('act_recall')} ›</button>)}
      {some.map((camera) => <button key={camera.id} data-testid="act-video" onClick={() => watch(camera.id)}>{t('video')}{some.length > 1 && ` ${camera.name}`}</button>)}
      <Trouble words={trouble} />
    </div>
  )
}
