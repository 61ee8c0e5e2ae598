/** Who came by a link and has no password is asked once, in a line that is in nobody's way. */
import { signal } from '@preact/signals'
import { openPane } from '../app/pane'
import { session } from '../app/session'
import { t } from '../i18n'

const later = signal(false)

export function PasswordOffer() {
  if (later.value || session.value?.has_password !== false) return null
  const set = (): void => {
    later.value = true
    openPane('admin', 'sessions')
  }
  return (
    <div class="offer" data-testid="password-offer">
      <span>{t('password_offer')}</span>
      <button onClick={set}>{t('password_set')}</button>
      <button onClick={() => (later.value = true)}>{t('password_later')}</button>
    </div>
  )
}
