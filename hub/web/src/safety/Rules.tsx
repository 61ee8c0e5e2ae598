/** The hub's rules, and what one would have said yesterday. They are changed in their file or through the API. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { clock } from '../app/core'
import { may } from '../app/session'
import { rules as askRules, tryRule } from '../api/safety'
import { isRecord, maps, text } from '../feed/raw'
import { lang, t } from '../i18n'
import { clockText } from '../laws/words'
import { Trouble, useAct } from '../panels/acts'
import { nameOfUnit } from '../panels/alarmWords'

const DAY_MS = 86_400_000
const SHOWN_MAX = 20

export function Rules() {
  const list = useSignal<Record<string, unknown>[] | null>(null)
  const { trouble, run } = useAct()
  useEffect(() => void run(async () => {
    const said = await askRules()
    list.value = maps(said.rules ?? said.rule)
  }), [])
  return (
    <div class="board">
      <Trouble words={trouble} />
      {list.value === null ? <p class="hint none">{t('loading')}</p> : list.value.length === 0 ? <p class="hint none">{t('rules_none')}</p> : list.value.map((rule) => <Rule key={text(rule.id)} rule={rule} />)}
    </div>
  )
}

function Rule({ rule }: { rule: Record<string, unknown> }) {
  const said = useSignal<Record<string, unknown> | null>(null)
  const { busy, trouble, run } = useAct()
  const id = text(rule.id) || text(rule.name)
  const found = said.value
  const times = Array.isArray(found?.firings) ? maps(found.firings) : maps(found?.fired)
  return (
    <article class="rule" data-testid="rule" data-rule={id}>
      <header><h3>{text(rule[lang.value]) || text(rule.zh) || id}</h3><span class="says">{text(rule.kind)} · {rule.enabled === false || rule.on === false ? t('rule_off') : t('rule_on')}</span></header>
      {may('rules') && <button data-testid="rule-try" disabled={busy.value} onClick={() => void run(async () => (said.value = await tryRule(id, Math.round(clock.now() - DAY_MS), Math.round(clock.now()))))}>{t('rule_try')}</button>}
      {isRecord(found) && <p data-testid="rule-tried"><b>{t('rule_would', { n: typeof found.count === 'number' ? found.count : times.length })}</b></p>}
      {times.length > 0 && <ul>{times.slice(0, SHOWN_MAX).map((one, i) => <li key={i}>{clockText(Number(one.t_utc_ms ?? one.t))} {nameOfUnit(text(one.unit))}</li>)}</ul>}
      <Trouble words={trouble} />
    </article>
  )
}
