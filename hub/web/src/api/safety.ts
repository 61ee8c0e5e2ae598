/** The routes of hub.safety: docs/zones.md, entry.md, rollcall.md, warnings.md, rules.md, coverage.md. One place to change. */
import { ask } from './http'
import type { Geometry } from '../feed/safety'

const part = encodeURIComponent

export const addTeam = (name: string): Promise<{ id: string }> => ask('POST', '/entry-teams', { name })
export const addMember = (team: string, name: string, bar: number): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/people`, { name, bar })
export const readPressure = (team: string, person: string, bar: number): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/people/${part(person)}/pressure`, { bar })
export const addUnit = (team: string, unit: string): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/people`, { unit })
export type Step = 'inside' | 'arrived' | 'coming_out' | 'out'
export const teamWent = (team: string, step: Step): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/go`, { step })
export const oneWent = (team: string, person: string, step: 'inside' | 'out'): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/people/${part(person)}/go`, { step })
export const endTeam = (team: string): Promise<unknown> => ask('POST', `/entry-teams/${part(team)}/end`)

export const startRoll = (target: string): Promise<unknown> => ask('POST', '/roll-calls', { target })
export const confirmByVoice = (roll: string, who: string[]): Promise<unknown> => ask('POST', `/roll-calls/${part(roll)}/voice`, { who })
export const endRoll = (roll: string): Promise<unknown> => ask('POST', `/roll-calls/${part(roll)}/end`)

export const toldByVoice = (evacuation: string, who: string[]): Promise<unknown> => ask('POST', `/evacuations/${part(evacuation)}/voice`, { who })

export interface ZoneBody {
  name: string
  kind: string
  shape?: string
  radius_m?: number
  until_utc_ms?: number | null
  grows_mps?: number
  follows?: string
  lead_s?: number | null
  on_enter?: boolean | null
  on_leave?: boolean | null
}
/** Without a geometry it lies around the unit that it follows. */
export const addZone = (geometry: Geometry | null, properties: ZoneBody): Promise<unknown> => ask('POST', '/zones', { type: 'Feature', geometry, properties })
/** Without a geometry it stays where it is. */
export const changeZone = (id: string, geometry: Geometry | null, properties: ZoneBody): Promise<unknown> => ask('PATCH', `/zones/${part(id)}`, { geometry, properties })
export interface ZoneNow { properties: { name: string; kind: string; shape: string; radius_m: number; until_utc_ms: number | null; grows_mps: number; follows: string; lead_s: number; on_enter: boolean; on_leave: boolean } }
export const zoneOf = (id: string): Promise<ZoneNow> => ask('GET', `/zones/${part(id)}`)
export const endZone = (id: string): Promise<unknown> => ask('DELETE', `/zones/${part(id)}`)

export const endWarning = (id: string, why: string): Promise<unknown> => ask('POST', `/warnings/${part(id)}/end`, { why })
export const dismissDraft = (id: string, why: string): Promise<unknown> => ask('POST', `/warnings/drafts/${part(id)}/dismiss`, { why })
export interface IssueBody { colour: string; event: string; zh: string; en: string; until_utc_ms: number; circle: { lon_deg: number; lat_deg: number; radius_m: number }; draft: string }
export const issueWarning = (body: IssueBody): Promise<unknown> => ask('POST', '/warnings/issue', body)

export const rules = (): Promise<Record<string, unknown>> => ask('GET', '/rules')
export const tryRule = (rule: string, fromMs: number, toMs: number): Promise<Record<string, unknown>> => ask('POST', '/rules/try', { rule, from: fromMs, to: toMs })
export const putRule = (id: string, rule: Record<string, unknown>): Promise<unknown> => ask('PUT', `/rules/${part(id)}`, rule)
export const revertRule = (id: string): Promise<unknown> => ask('DELETE', `/rules/${part(id)}`)

export const signalCells = (bearer: string): Promise<unknown> => ask('GET', `/signal${bearer ? `?bearer=${part(bearer)}` : ''}`)
export const searchShare = (): Promise<unknown> => ask('GET', '/search')
export const addPlan = (plan: object): Promise<unknown> => ask('POST', '/search/plans', plan)
export const changePlan = (id: string, plan: object): Promise<unknown> => ask('PUT', `/search/plans/${part(id)}`, plan)
export const removePlan = (id: string): Promise<unknown> => ask('DELETE', `/search/plans/${part(id)}`)
export interface Effort { segments: { id: string; name: string; hours: number }[]; pos: number }
export const allocate = (id: string, hours: number, speed_mps: number): Promise<Effort> => ask('POST', `/search/plans/${part(id)}/allocate`, { hours, speed_mps })

/** Every page of them, as the feed tells them. */
export async function allStations(most: number): Promise<unknown[]> {
  const found: unknown[] = []
  for (let after = ''; found.length < most;) {
    const page = await ask<{ features: { properties: unknown }[]; next: string | null }>('GET', `/stations?limit=500${after && `&after=${part(after)}`}`)
    found.push(...page.features.map(({ properties }) => properties))
    if (page.next === null) break
    after = page.next
  }
  return found
}
export interface StationSource { name: string; kind: string; where: string; failing_since_ms: number | null; why: string; readings: number; refused: number; bad: { row: number; column: string; words: string }[] }
export const stationSources = (): Promise<{ sources: StationSource[]; trouble: string }> => ask('GET', '/stations/sources')

export const setVehicleState = (unit: string, code: number): Promise<unknown> => ask('PUT', `/units/${part(unit)}/vehicle-state`, { code })
