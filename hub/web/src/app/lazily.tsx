/** A pane that is not part of the first picture: fetched when it is first opened, and again by a click when it did not arrive. */
import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { t } from '../i18n'

type View = () => JSX.Element

/** The view that `load` brings; until it has come, `frame` around nothing or around the word that it did not. */
export function lazily(load: () => Promise<View>, frame: (inside: JSX.Element | null) => JSX.Element): View {
  const view = signal<View | 'failed' | null>(null)
  let asked = false
  const ask = (): void => {
    asked = true
    view.value = null
    load().then((loaded) => (view.value = loaded), () => (view.value = 'failed'))
  }
  return () => {
    const View = view.value
    if (View === 'failed') return frame(<p class="hint" role="status">{t('pane_failed')} <button data-testid="pane-again" onClick={ask}>{t('pane_again')}</button></p>)
    if (View) return <View />
    if (!asked) ask()
    return frame(null)
  }
}
