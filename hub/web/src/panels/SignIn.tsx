/** Before there is a session: one sentence what to do, in both languages, because nobody chose one yet. */
import { door, doorStatus, type Door } from '../app/core'
import { say, type Key } from '../i18n'

const SENTENCE: Record<Exclude<Door, 'in'>, Key> = {
  opening: 'signing_in',
  open_link: 'signin_open',
  used: 'signin_used',
  failed: 'signin_failed',
  offline: 'signin_offline',
  origin: 'signin_origin',
}

export function SignIn() {
  const now = door.value
  if (now === 'in') return null
  const values = { status: doorStatus.value }
  return (
    <main class="signin" data-testid="signin" data-door={now}>
      {(['zh', 'en'] as const).map((language) => (
        <section lang={language === 'zh' ? 'zh-CN' : 'en'} key={language}>
          <h1>{say(language, 'app')}</h1>
          {now !== 'opening' && <h2>{say(language, 'signin_title')}</h2>}
          <p role="status">{say(language, SENTENCE[now], values)}</p>
        </section>
      ))}
    </main>
  )
}
