/** One's own password, and the sessions that hold: one's own, or everybody's for who looks after people. */
import { useSignal } from '@preact/signals'
import { ask } from '../api/http'
import { clock } from '../app/core'
import { session } from '../app/session'
import { t } from '../i18n'
import { ageText } from '../laws/words'
import { Entry, Trouble, Twice, useAct } from '../panels/acts'
import { roleWords } from '../panels/roles'
import { useAsked, whenText } from './asked'

const PASSWORD_CHARS_MIN = 10

interface Row {
  id: string
  user: string
  role: string
  address: string
  browser: string
  seen_utc_ms: number
  expires_utc_ms: number
  mine: boolean
}

export function Sessions() {
  const { data, trouble, again } = useAsked<{ sessions: Row[] }>('/sessions')
  const act = useAct()
  const end = (id: string): void => void act.run(async () => {
    await ask('DELETE', `/sessions/${id}`)
    await again()
  })
  const now = clock.now()
  return (
    <>
      <Password again={again} />
      <h2>{t('page_sessions')}</h2>
      <Trouble words={trouble} />
      <Trouble words={act.trouble} />
      {!data.value ? <p>{t('loading')}</p> : (
        <table class="wide" data-testid="sessions">
          <thead><tr><th>{t('person_name')}</th><th>{t('role')}</th><th>{t('sess_address')}</th><th>{t('sess_browser')}</th><th>{t('sess_seen')}</th><th>{t('sess_until')}</th><th /></tr></thead>
          <tbody>{data.value.sessions.map((row) => (
            <tr key={row.id} data-testid="session-row" data-user={row.user}>
              <td data-label={t('person_name')}><strong>{row.user}</strong>{row.id === session.value?.session && <small> · {t('this_session')}</small>}</td>
              <td data-label={t('role')}>{roleWords(row.role)}</td>
              <td data-label={t('sess_address')}>{row.address || '—'}</td>
              <td data-label={t('sess_browser')} title={row.browser}>{browserName(row.browser)}</td>
              <td data-label={t('sess_seen')}>{t('ago', { age: ageText((now - row.seen_utc_ms) / 1000) })}</td>
              <td data-label={t('sess_until')}>{whenText(row.expires_utc_ms, now)}</td>
              <td class="do">{row.id !== session.value?.session && <Twice onSure={() => end(row.id)}>{t('end')}</Twice>}</td>
            </tr>
          ))}</tbody>
        </table>
      )}
    </>
  )
}

/** "Edg/120" of a long user agent: enough to know which machine it was. */
function browserName(agent: string): string {
  const name = /(Edg|OPR|Firefox|HeadlessChrome|Chrome|Safari)\/(\d+)/.exec(agent)
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent)
  return [name?.[0], system?.[0]].filter(Boolean).join(' · ') || agent.slice(0, 40) || '—'
}

function Password({ again }: { again: () => Promise<void> }) {
  const { busy, trouble, run } = useAct()
  const done = useSignal(false)
  const has = session.value?.has_password ?? false
  const submit = (event: Event): void => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const data = new FormData(form)
    void run(async () => {
      done.value = false
      await ask('PUT', '/session/password', { password: String(data.get('password')), old: String(data.get('old') ?? '') })
      form.reset()
      done.value = true
      if (session.value) session.value = { ...session.value, has_password: true }
      await again()
    })
  }
  return (
    <form class="card line" data-testid="password-form" onSubmit={submit}>
      <h3>{t('my_password')}</h3>
      <input class="spoken" name="username" autocomplete="username" value={session.value?.name ?? ''} readOnly tabIndex={-1} aria-hidden="true" />
      {has && <Entry name="password_old"><input name="old" type="password" autocomplete="current-password" maxlength={128} /></Entry>}
      <Entry name="password_new"><input name="password" type="password" autocomplete="new-password" required minlength={PASSWORD_CHARS_MIN} maxlength={128} /></Entry>
      <button class="main" data-testid="password-save" disabled={busy.value}>{t('password_set')}</button>
      {done.value && <p role="status" data-testid="password-done">{t('password_done')}</p>}
      <Trouble words={trouble} />
    </form>
  )
}
