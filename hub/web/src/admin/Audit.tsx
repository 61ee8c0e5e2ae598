/** Operator records: whether their chain is whole, in large words, and the newest of them. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask } from '../api/http'
import { clock } from '../app/core'
import { t } from '../i18n'
import { Trouble, useAct } from '../panels/acts'
import { whenText } from './asked'

const SHOWN_MAX = 200

interface Record { seq: number; t_utc_ms: number; who: string; what: string; content: unknown }
interface Said { records: Record[]; whole: boolean; words: string; newest: number }

export function Audit() {
  const said = useSignal<Said | null>(null)
  const { trouble, run } = useAct()
  useEffect(() => void run(async () => (said.value = await newest())), [])
  const now = clock.now()
  return (
    <>
      <div class="bar"><h2>{t('page_audit')}</h2></div>
      <Trouble words={trouble} />
      {!said.value ? <p>{t('loading')}</p> : (
        <>
          <p class={`verdict ${said.value.whole ? 'whole' : 'broken'}`} data-testid="verdict" data-whole={said.value.whole} role="status">
            {said.value.whole ? '✓ ' : '✕ '}{t(said.value.whole ? 'audit_whole' : 'audit_broken')}
            <small>{said.value.words}</small>
          </p>
          <table class="wide" data-testid="records">
            <thead><tr><th>#</th><th>{t('audit_t')}</th><th>{t('audit_who')}</th><th>{t('audit_what')}</th><th>{t('audit_content')}</th></tr></thead>
            <tbody>{said.value.records.map((record) => (
              <tr key={record.seq}>
                <td data-label="#">{record.seq}</td>
                <td data-label={t('audit_t')}>{whenText(record.t_utc_ms, now)}</td>
                <td data-label={t('audit_who')}>{record.who}</td>
                <td data-label={t('audit_what')}>{record.what}</td>
                <td data-label={t('audit_content')} class="content"><code>{JSON.stringify(record.content).slice(0, 300)}</code></td>
              </tr>
            ))}</tbody>
          </table>
        </>
      )}
    </>
  )
}

/** The newest first; the hub gives them from the oldest on. */
async function newest(): Promise<Said> {
  const { newest } = await ask<Said>('GET', '/audit?count=0')
  const said = await ask<Said>('GET', `/audit?after=${Math.max(0, newest - SHOWN_MAX)}&count=${SHOWN_MAX}`)
  return { ...said, records: said.records.reverse() }
}
