/** People: who there is, with which role, whose units they see; a one-time link for one of them. */
import { useSignal } from '@preact/signals'
import { ask } from '../api/http'
import { clock, pulse } from '../app/core'
import { me } from '../app/session'
import { lang, t } from '../i18n'
import { ageText } from '../laws/words'
import { Entry, fields, Secret, Trouble, Twice, useAct } from '../panels/acts'
import { roles, roleWords } from '../panels/roles'
import { useAsked } from './asked'

interface Person { name: string; role: string; agency: string; sees: string[]; team: string; state: string; has_password: boolean }
interface OneLink { name: string; path: string; expires_utc_ms: number }

export function People() {
  const { data, trouble, again } = useAsked<{ people: Person[] }>('/people')
  const editing = useSignal<Person | 'new' | null>(null)
  const link = useSignal<OneLink | null>(null)
  const act = useAct()
  const list = data.value?.people
  const lock = (person: Person): void => void act.run(async () => {
    const { role, agency, sees, team } = person
    await ask('PUT', path(person.name), { role, agency, sees, team, state: person.state === 'active' ? 'locked' : 'active' })
    await again()
  })
  const makeLink = (name: string): void => void act.run(async () => {
    const made = await ask<{ path: string; expires_utc_ms: number }>('POST', `${path(name)}/link`)
    link.value = { name, ...made }
  })
  const saved = async (name: string, isNew: boolean): Promise<void> => {
    editing.value = null
    await again()
    if (isNew) makeLink(name)
  }
  return (
    <>
      <div class="bar">
        <h2>{t('page_people')}</h2>
        <button class="main" data-testid="person-add" onClick={() => (editing.value = editing.value === 'new' ? null : 'new')}>{t('person_add')}</button>
      </div>
      <Trouble words={trouble} />
      <Trouble words={act.trouble} />
      {editing.value && <Edit key={editing.value === 'new' ? '' : editing.value.name} of={editing.value === 'new' ? null : editing.value} saved={saved} />}
      {link.value && <LinkCard link={link.value} close={() => (link.value = null)} />}
      {!list ? <p>{t('loading')}</p> : (
        <table class="wide" data-testid="people">
          <thead><tr><th>{t('person_name')}</th><th>{t('role')}</th><th>{t('agency')}</th><th>{t('sees')}</th><th>{t('team')}</th><th>{t('person_state')}</th><th /></tr></thead>
          <tbody>{list.map((person) => (
            <tr key={person.name} data-testid="person-row" data-name={person.name} data-state={person.state}>
              <td data-label={t('person_name')}><strong>{person.name}</strong></td>
              <td data-label={t('role')}>{roleWords(person.role)}</td>
              <td data-label={t('agency')}>{person.agency || '—'}</td>
              <td data-label={t('sees')}>{person.sees.join(', ') || '—'}</td>
              <td data-label={t('team')}>{person.team || '—'}</td>
              <td data-label={t('person_state')}>{person.state === 'active' ? t('acc_active') : `✕ ${t('acc_locked')}`} · <small>{t(person.has_password ? 'has_password' : 'no_password')}</small></td>
              <td class="do">
                {person.state === 'active' && <button data-testid="make-link" onClick={() => makeLink(person.name)}>{t('make_link')}</button>}
                <button onClick={() => (editing.value = person)}>{t('edit')}</button>
                {person.name !== me.value?.name && <Twice data-testid="lock" onSure={() => lock(person)}>{t(person.state === 'active' ? 'lock' : 'unlock_account')}</Twice>}
              </td>
            </tr>
          ))}</tbody>
        </table>
      )}
    </>
  )
}

const path = (name: string): string => `/people/${encodeURIComponent(name)}`

function Edit({ of, saved }: { of: Person | null; saved: (name: string, isNew: boolean) => Promise<void> }) {
  const { busy, trouble, run } = useAct()
  void roleWords('')
  const submit = (event: Event): void => {
    const { name = of?.name ?? '', role, agency, sees = '', team } = fields(event)
    const seen = sees.split(/[,，\s]+/).filter((one) => one !== '')
    void run(async () => {
      await ask('PUT', path(name), { role, agency, sees: seen, team, state: of?.state ?? 'active' })
      await saved(name, of === null)
    })
  }
  return (
    <form class="card grid" data-testid="person-form" onSubmit={submit}>
      {of ? <h3>{of.name}</h3> : <Entry name="person_name"><input name="name" required maxlength={40} autofocus autocomplete="off" /></Entry>}
      <Entry name="role">
        <select name="role" required>
          {!of && <option value="">{t('pick_role')}</option>}
          {roles.value.map((row) => <option key={row.role} value={row.role} selected={row.role === of?.role}>{row[lang.value]}</option>)}
        </select>
      </Entry>
      <Entry name="agency"><input name="agency" maxlength={40} defaultValue={of?.agency ?? ''} /></Entry>
      <Entry name="sees" hint={t('sees_hint')}><input name="sees" maxlength={400} defaultValue={of?.sees.join(', ') ?? ''} /></Entry>
      <Entry name="team"><input name="team" maxlength={40} defaultValue={of?.team ?? ''} /></Entry>
      <button class="main" data-testid="person-save" disabled={busy.value}>{t('save')}</button>
      <Trouble words={trouble} />
    </form>
  )
}

function LinkCard({ link, close }: { link: OneLink; close: () => void }) {
  void pulse.value
  const leftS = (link.expires_utc_ms - clock.now()) / 1000
  return (
    <div class="card" data-testid="link-card">
      <h3>{t('link_for', { name: link.name })}</h3>
      <Secret testid="link" text={location.origin + link.path} />
      <p class="hint">{leftS > 0 ? t('enrol_valid', { age: ageText(leftS) }) : t('enrol_expired')} · {t('shown_once')}</p>
      <button onClick={close}>{t('done')}</button>
    </div>
  )
}
