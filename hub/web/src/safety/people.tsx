/** People of boards: names, whom a target means, and the row of one who has NOT answered. */
import type { ComponentChildren } from 'preact'
import { air, zones } from '../app/safety'
import { showUnit } from '../app/show'
import { t } from '../i18n'
import { orderTarget } from '../laws/people'
import { nameOfUnit } from '../panels/alarmWords'

export const nameOf = ({ name, unit }: { name: string; unit: string | null }): string => name || (unit ? nameOfUnit(unit) : '—')

/** A target in words. */
export function targetText(target: string): string {
  if (target === 'all' || target === '') return t('target_all')
  const at = target.indexOf(':')
  const [kind, id] = at < 0 ? ['', target] : [target.slice(0, at), target.slice(at + 1)]
  switch (kind) {
    case 'team': return t('target_team', { team: id })
    case 'entry': return t('target_entry', { name: air.value?.find((team) => team.id === id)?.name ?? '' })
    case 'zone': return t('target_zone', { name: zones.value.find((zone) => zone.id === id)?.name ?? id })
    case 'units': {
      const team = air.value?.find((one) => orderTarget(one) === target)
      return team ? t('target_entry', { name: team.name }) : t('target_n', { n: id.split(',').length })
    }
    default: return nameOfUnit(id)
  }
}

/** Large: who is missing, how far it is with them, and what to do about it. */
export function Missing({ person, step, grave, children, ...rest }: { person: { name: string; unit: string | null }; step: ComponentChildren; grave?: boolean; children?: ComponentChildren; 'data-testid'?: string; 'data-state'?: string }) {
  return (
    <li class={`missing ${grave ? 'grave' : ''}`} {...rest}>
      <strong>{person.unit ? <button title={t('find')} onClick={() => showUnit(person.unit!)}>{nameOf(person)}</button> : nameOf(person)}</strong>
      <span class="step">{step}</span>
      <span class="do">{children}</span>
    </li>
  )
}

const LARGE_MAX = 6

/** The last few stand large; of many as many as possible are in sight. */
export const chaseClass = (n: number): string => `chase ${n > LARGE_MAX ? 'many' : ''}`

/** The number that has to become nothing. */
export function Count({ n, words, none, testid }: { n: number; words: string; none: string; testid: string }) {
  return <p class={`count-missing ${n > 0 ? 'on' : ''}`}><b data-testid={testid}>{n}</b><span>{n > 0 ? words : none}</span></p>
}
