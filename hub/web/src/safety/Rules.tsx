/** The hub's rules: what stands of each, who changed it, and what it would have said: when, of whom, and there on the map. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { clock, pulse } from '../app/core'
import { flyTo } from '../app/show'
import { may } from '../app/session'
import { putRule, revertRule, rules as askRules, tryRule } from '../api/safety'
import { rulesOf, triedOf, type Firing, type Rule as RuleSaid, type Tried } from '../feed/rules'
import { lang, t, type Key } from '../i18n'
import { zh } from '../i18n/zh'
import { ageText, clockText, dayClockText } from '../laws/words'
import { Trouble, Twice, useAct } from '../panels/acts'
import { nameOfUnit } from '../panels/alarmWords'
import { PrioritySign } from '../panels/signs'

const SPANS = { hour: 3_600_000, day: 86_400_000 } as const
type Span = keyof typeof SPANS
const SHOWN_MAX = 12
const REFRESH_MS = 10_000

const kindWords = (kind: string): string => (`rule_kind_${kind}` in zh ? t(`rule_kind_${kind}` as Key) : kind)
const named = (one: { zh: string; en: string }): string => (lang.value === 'zh' ? one.zh || one.en : one.en || one.zh)

export function Rules() {
  const said = useSignal<ReturnType<typeof rulesOf> | null>(null)
  const { trouble, run } = useAct()
  const load = (): void => void run(async () => (said.value = rulesOf(await askRules())))
  useEffect(() => {
    load()
    const timer = setInterval(load, REFRESH_MS)
    return () => clearInterval(timer)
  }, [])
  if (said.value === null) return <div class="board"><Trouble words={trouble} />{trouble.value === '' && <p class="hint none">{t('loading')}</p>}</div>
  const { rules, file, errors } = said.value
  const [on, off] = [rules.filter(({ enabled }) => enabled), rules.filter(({ enabled }) => !enabled)]
  const card = (rule: RuleSaid): preact.JSX.Element => <Rule key={rule.id} rule={rule} onChanged={load} />
  return (
    <div class="board rules" data-testid="rules">
      <p class="hint">{file.startsWith('sample') ? t('rules_sample') : t('rules_file', { file })}</p>
      {errors.map((words) => <p key={words} class="warn" data-testid="rules-error">{words}</p>)}
      <Trouble words={trouble} />
      {rules.length === 0 && <p class="hint none">{t('rules_none')}</p>}
      {on.map(card)}
      {off.length > 0 && <details><summary>{t('rule_off_n', { n: off.length })}</summary><div class="board">{off.map(card)}</div></details>}
    </div>
  )
}

function Rule({ rule, onChanged }: { rule: RuleSaid; onChanged: () => void }) {
  void pulse.value
  const tried = useSignal<{ span: Span; said: Tried } | null>(null)
  const { busy, trouble, run } = useAct()
  const attempt = (span: Span): void => void run(async () => {
    const now = Math.round(clock.now())
    tried.value = null
    tried.value = { span, said: triedOf(await tryRule(rule.id, now - SPANS[span], now)) }
  })
  const change = (what: () => Promise<unknown>): void => void run(async () => {
    await what()
    onChanged()
  })
  const by = rule.changed && t(rule.origin === 'added' ? 'rule_added' : 'rule_changed', { name: rule.changed.by, age: ageText((clock.now() - rule.changed.t) / 1000) })
  return (
    <article class={`rule ${rule.enabled ? '' : 'over'}`} data-testid="rule" data-rule={rule.id} data-standing={rule.standing}>
      <header>
        <PrioritySign priority={rule.priority} />
        <h3>{named(rule) || rule.id}</h3>
        {rule.standing > 0 && <b class="stands" data-testid="rule-standing">{t('rule_stands', { n: rule.standing })}</b>}
      </header>
      <p class="hint">{kindWords(rule.kind)}{rule.enabled ? '' : ` · ${t('rule_off')}`}{by && <span data-testid="rule-changed"> · {by}</span>}</p>
      {rule.trouble && <p class="warn">{rule.trouble}</p>}
      {may('rules') && (
        <div class="quick">
          <span class="says">{t('rule_try_last')}</span>
          <button data-testid="rule-try-hour" disabled={busy.value} onClick={() => attempt('hour')}>{t('rule_try_hour')}</button>
          <button data-testid="rule-try" disabled={busy.value} onClick={() => attempt('day')}>{t('rule_try_day')}</button>
        </div>
      )}
      {/* Their own line and few words: a button that asks again must not move from under the finger. */}
      {may('rules') && (
        <div class="quick">
          <Twice data-testid="rule-switch" ask={t('rule_sure')} disabled={busy.value} onSure={() => change(() => putRule(rule.id, { ...rule.rule, enabled: !rule.enabled }))}>{t(rule.enabled ? 'rule_switch_off' : 'rule_switch_on')}</Twice>
          {rule.changed && <Twice data-testid="rule-revert" ask={t('rule_sure')} disabled={busy.value} onSure={() => change(() => revertRule(rule.id))}>{t(rule.origin === 'added' ? 'rule_remove' : 'rule_revert')}</Twice>}
        </div>
      )}
      {busy.value && <p class="hint">{t('rule_trying')}</p>}
      {tried.value && <Found span={tried.value.span} said={tried.value.said} />}
      <Trouble words={trouble} />
    </article>
  )
}

function Found({ span, said }: { span: Span; said: Tried }) {
  const more = said.count - Math.min(said.firings.length, SHOWN_MAX)
  return (
    <div class="tried" data-testid="rule-tried" data-count={said.count}>
      <p><b>{t(span === 'day' ? 'rule_fired_day' : 'rule_fired_hour', { n: said.count })}</b></p>
      <p class="hint">{t('rule_looked', { units: said.units, rows: said.rows })}</p>
      {said.truncated && <p class="warn">{t('rule_truncated', { t: dayClockText(said.until, clock.now()) })}</p>}
      {said.trouble && <p class="warn">{said.trouble}</p>}
      {said.firings.slice(0, SHOWN_MAX).map((one) => <FiringRow key={`${one.t} ${one.unit}`} one={one} />)}
      {more > 0 && <p class="hint">{t('rule_more', { n: more })}</p>}
    </div>
  )
}

/** A click shows where it was then; the age says that nobody need be there now. */
function FiringRow({ one }: { one: Firing }) {
  const now = clock.now()
  const placed = one.lat !== null && one.lon !== null
  const lasted = one.until === null ? t('rule_still') : t('rule_lasted', { age: ageText((one.until - one.t) / 1000) })
  // The rule's own name stands above already.
  const words = named(one).split(/：|: /).slice(1).join(' ')
  return (
    <button class="firing" data-testid="rule-firing" disabled={!placed} title={placed ? clockText(one.t) : t('rule_no_place')} onClick={() => placed && flyTo(one.lon!, one.lat!)}>
      <b>{one.callsign || nameOfUnit(one.unit)}</b>
      <span>{words}</span>
      <small>{dayClockText(one.t, now)} · {t('ago', { age: ageText((now - one.t) / 1000) })} · {lasted}{placed ? '' : ` · ${t('rule_no_place')}`}</small>
    </button>
  )
}
