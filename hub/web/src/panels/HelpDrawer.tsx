/** `?`: every key, from the same table that the keyboard reads. */
import { COMMANDS, type Command } from '../app/commands'
import { pane } from '../app/pane'
import { t } from '../i18n'

const SHOWN: Record<string, string> = { ' ': '␣', Escape: 'Esc', End: 'End', '=': '+' }

/** "Ctrl K", "␣", "A". */
export function keyWords({ key, ctrl }: Pick<Command, 'key' | 'ctrl'>): string {
  if (key === undefined) return ''
  return `${ctrl ? 'Ctrl ' : ''}${SHOWN[key] ?? key.toUpperCase()}`
}

export function HelpDrawer() {
  return (
    <aside class="detail help" data-testid="help" aria-label={t('help_title')}>
      <div class="title">
        <h2>{t('help_title')}</h2>
        <button class="close" title={t('close')} aria-label={t('close')} onClick={() => (pane.value = null)}>✕</button>
      </div>
      <dl class="keys-list">
        {COMMANDS.filter(({ key }) => key !== undefined).map((one) => (
          <div key={one.id}><dt><kbd>{keyWords(one)}</kbd></dt><dd>{t(one.name)}</dd></div>
        ))}
      </dl>
      <p class="hint">{t('help_more')}</p>
    </aside>
  )
}
