/** Before there is a session: name and password, or one sentence what to do, in both languages: nobody chose one yet. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/http'
import { door, doorStatus, type Door } from '../app/core'
import { enterAs } from '../app/session'
import { say, type Key } from '../i18n'

const SENTENCE: Record<Exclude<Door, 'in'>, Key> = {
  opening: 'signing_in',
  open_link: 'signin_open',
  used: 'signin_used',
  failed: 'signin_failed',
  offline: 'signin_offline',
  origin: 'signin_origin',
}
/** Where a password helps. */
const WITH_FORM: Door[] = ['open_link', 'used', 'failed']

const both = (key: Key): string => `${say('zh', key)} ${say('en', key)}`

export function SignIn() {
  const now = door.value
  if (now === 'in') return null
  const values = { status: doorStatus.value }
  return (
    <main class="signin" data-testid="signin" data-door={now}>
      <h1>{both('app')}</h1>
      {WITH_FORM.includes(now) && <Form />}
      {(['zh', 'en'] as const).map((language) => (
        <p role="status" key={language} lang={language === 'zh' ? 'zh-CN' : 'en'}>{say(language, SENTENCE[now], values)}</p>
      ))}
    </main>
  )
}

function Form() {
  const trouble = useSignal<Key | null>(null)
  const status = useSignal(0)
  const waitS = useSignal(0)
  const busy = useSignal(false)
  useEffect(() => {
    if (waitS.value <= 0) {
      if (trouble.value === 'signin_wait') trouble.value = null
      return
    }
    const timer = setTimeout(() => (waitS.value -= 1), 1_000)
    return () => clearTimeout(timer)
  }, [waitS.value])
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const data = new FormData(event.currentTarget as HTMLFormElement)
    if (busy.value || waitS.value > 0) return
    busy.value = true
    trouble.value = null
    try {
      await enterAs(String(data.get('name')).trim(), String(data.get('password')))
    } catch (error) {
      busy.value = false
      status.value = error instanceof ApiError ? error.status : 0
      waitS.value = status.value === 429 && error instanceof ApiError ? Math.max(1, error.waitS) : 0
      trouble.value = waitS.value > 0 ? 'signin_wait' : status.value === 401 ? 'signin_wrong' : status.value === 0 ? 'signin_offline' : 'signin_failed'
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h2>{both('signin_title')}</h2>
      <label><span>{both('signin_name')}</span><input name="name" autocomplete="username" autocapitalize="none" spellcheck={false} required maxlength={40} autofocus /></label>
      <label><span>{both('signin_password')}</span><input name="password" type="password" autocomplete="current-password" required maxlength={128} /></label>
      <button class="main" data-testid="signin-button" disabled={busy.value || waitS.value > 0}>{both('signin_button')}</button>
      <div role="alert" data-testid="signin-trouble">
        {trouble.value && (['zh', 'en'] as const).map((language) => (
          <p class="trouble" key={language} lang={language === 'zh' ? 'zh-CN' : 'en'}>{say(language, trouble.value!, { s: waitS.value, status: status.value })}</p>
        ))}
      </div>
    </form>
  )
}
