/** API tokens: for programs, with a part of what one may do oneself, and an end. */
import { useSignal } from '@preact/signals'
import { ask } from '../api/http'
import { clock } from '../app/core'
import { me } from '../app/session'
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { Entry, Secret, Trouble, Twice, useAct } from '../panels/acts'
import { useAsked, whenText } from './asked'

const DAYS_DEFAULT = 30
/** What a program never may, whoever asks. */
const NEVER = new Set(['order', 'all-clear'])

interface Token { id: string; user: string; name: string; scope: string[]; created_utc_ms: number; expires_utc_ms: number }

export function Tokens() {
  const { data, trouble, again } = useAsked<{ tokens: Token[] }>('/tokens')
  const made = useSignal('')
  const act = useAct()
  const end = (id: string): void => void act.run(async () => {
    await ask('DELETE', `/tokens/${id}`)
    await again()
  })
  const make = (event: Event): void => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const said = new FormData(form)
    const body = { name: String(said.get('name')).trim(), scope: said.getAll('scope').map(String), days: Number(said.get('days')) }
    void act.run(async () => {
      made.value = (await ask<{ token: string }>('POST', '/tokens', body)).token
      form.reset()
      await again()
    })
  }
  const now = clock.now()
  return (
    <>
      <form class="card" data-testid="token-form" onSubmit={make}>
        <p class="hint">{t('token_hint')}</p>
        <div class="line">
          <Entry name="token_name"><input name="name" required maxlength={40} autocomplete="off" /></Entry>
          <Entry name="token_days"><input name="days" type="number" inputmode="numeric" required min={1} max={366} defaultValue={String(DAYS_DEFAULT)} /></Entry>
        </div>
        <fieldset><legend>{t('token_scope')}</legend>
          {(me.value?.permissions ?? []).filter((one) => !NEVER.has(one)).map((one) => (
            <label class="check" key={one}><input type="checkbox" name="scope" value={one} defaultChecked={one === 'picture'} />{permissionWords(one)}</label>
          ))}
        </fieldset>
        <button class="main" data-testid="token-make" disabled={act.busy.value}>{t('token_make')}</button>
        <Trouble words={act.trouble} />
      </form>
      {made.value && (
        <div class="card">
          <h3>{t('token_shown')}</h3>
          <Secret testid="token" text={made.value} />
          <p class="hint">{t('shown_once')}</p>
          <button onClick={() => (made.value = '')}>{t('done')}</button>
        </div>
      )}
      <h2>{t('page_tokens')}</h2>
      <Trouble words={trouble} />
      {!data.value ? <p>{t('loading')}</p> : data.value.tokens.length === 0 ? <p class="hint">{t('none_yet')}</p> : (
        <table class="wide">
          <thead><tr><th>{t('token_name')}</th><th>{t('person_name')}</th><th>{t('token_scope')}</th><th>{t('sess_until')}</th><th /></tr></thead>
          <tbody>{data.value.tokens.map((token) => (
            <tr key={token.id} data-testid="token-row">
              <td data-label={t('token_name')}><strong>{token.name}</strong></td>
              <td data-label={t('person_name')}>{token.user}</td>
              <td data-label={t('token_scope')}>{token.scope.map(permissionWords).join('、')}</td>
              <td data-label={t('sess_until')}>{whenText(token.expires_utc_ms, now)}</td>
              <td class="do"><Twice onSure={() => end(token.id)}>{t('end')}</Twice></td>
            </tr>
          ))}</tbody>
        </table>
      )}
    </>
  )
}

function permissionWords(permission: string): string {
  const key = `perm_${permission}`
  return key in zh ? t(key as Key) : permission
}
