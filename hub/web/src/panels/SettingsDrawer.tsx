/** What a person sets for this screen: language, look, forms of numbers, sound. Each works at once and is remembered here. */
import type { Signal } from '@preact/signals'
import { prefs, setPrefs } from '../app/ground'
import { pane } from '../app/pane'
import { installable, install } from '../app/offline'
import { setFormat } from '../app/settings'
import { maySound, testTones, wake } from '../app/sound'
import { compact } from '../app/size'
import { setTheme, theme, toggleWall, wall } from '../app/theme'
import { lang, setLang, t, type Key, type Lang } from '../i18n'
import { formats, HOURS, LENGTHS, type Formats } from '../laws/formats'
import { PLACE_STYLES } from '../laws/places'
import { THEMES } from '../tokens'
import { Account } from './TopBar'

/** One of a few, all in sight. */
function Choice<T extends string>({ name, of, now, words, choose }: { name: Key; of: readonly T[]; now: T; words: (one: T) => string; choose: (one: T) => void }) {
  return (
    <fieldset class="choice">
      <legend>{t(name)}</legend>
      {of.map((one) => (
        <label key={one} class={one === now ? 'chosen-one' : ''}>
          <input type="radio" name={name} checked={one === now} onChange={() => choose(one)} data-testid={`${name}-${one}`} />{words(one)}
        </label>
      ))}
    </fieldset>
  )
}

const LANGS: readonly Lang[] = ['zh', 'en']

export function Settings() {
  const form = <Name extends keyof Formats>(name: Name) => (one: Formats[Name]): void => setFormat(name, one)
  return (
    <>
      {compact.value && <fieldset class="choice account"><legend>{t('account_part')}</legend><Account /></fieldset>}
      <Choice name="set_language" of={LANGS} now={lang.value} words={(one) => (one === 'zh' ? '中文' : 'English')} choose={setLang} />
      <Choice name="set_look" of={THEMES} now={theme.value} words={(one) => t(`look_${one}`)} choose={setTheme} />
      <Switch name="set_wall" on={wall} toggle={toggleWall} />
      <Choice name="set_format" of={PLACE_STYLES} now={prefs.value.place} words={(one) => t(`place_${one}`)} choose={(place) => setPrefs({ place })} />
      <Choice name="set_units" of={LENGTHS} now={formats.value.length} words={(one) => t(`units_${one}`)} choose={form('length')} />
      <Choice name="set_hours" of={HOURS} now={formats.value.hours} words={(one) => t(`hours_${one}`)} choose={form('hours')} />
      <fieldset class="choice">
        <legend>{t('set_sound')}</legend>
        {maySound.value ? <span>{t('sound_on')}</span> : <button class="no-sound" onClick={wake}>{t('sound_off')}</button>}
        <button data-testid="settings-sound-test" onClick={testTones}>{t('sound_test')}</button>
      </fieldset>
      {installable.value && <button class="main" onClick={() => void install()}>{t('install')}</button>}
    </>
  )
}

function Switch({ name, on, toggle }: { name: Key; on: Signal<boolean>; toggle: () => void }) {
  return <label class="check"><input type="checkbox" checked={on.value} onChange={toggle} data-testid={name} />{t(name)}</label>
}

export function SettingsDrawer() {
  return (
    <aside class="detail settings" data-testid="settings" aria-label={t('settings')}>
      <div class="title">
        <h2>{t('settings')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <Settings />
    </aside>
  )
}
