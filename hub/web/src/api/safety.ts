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

export interface ZoneBody { name: string; kind: string; shape: string; radius_m?: number; until_utc_ms?: number; grows_mps?: number }
export const addZone = (geometry: Geometry, properties: ZoneBody): Promise<unknown> => ask('POST', '/zones', { type: 'Feature', geometry, properties })
export const endZone = (id: string): Promise<unknown> => ask('DELETE', `/zones/${part(id)}`)

export const endWarning = (id: string, why: string): Promise<unknown> => ask('POST', `/warnings/${part(id)}/end`, { why })
export const dismissDraft = (id: string, why: string): Promise<unknown> => ask('POST', `/warnings/drafts/${part(id)}/dismiss`, { why })
export interface IssueBody { colour: string; event: string; zh: string; en: string; until_utc_ms: number; circle: { lon_deg: number; lat_deg: number; radius_m: number }; draft: string }
export const issueWarning = (body: IssueBody): Promise<unknown> => ask('POST', '/warnings/issue', body)

export const rules = (): Promise<Record<string, unknown>> => ask('GET', '/rules')
export const tryRule = (rule: string, fromMs: number, toMs: number): Promise<Record<string, unknown>> => ask('POST', '/rules/try', { rule, from: fromMs, to: toMs })

export const signalCells = (): Promise<unknown> => ask('GET', '/signal')
export const searchShare = (): Promise<unknown> => ask('GET', '/search')

export const setVehicleState = (unit: string, code: number): Promise<unknown> => ask('PUT', `/units/${part(unit)}/vehicle-state`, { code })
