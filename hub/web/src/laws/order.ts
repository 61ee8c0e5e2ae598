/** The order of the list: who is in danger first, then who is silent, then by name. */
import type { State } from './contact'
import { initials } from './pinyin'

export const RANK: Record<State, number> = { sos: 0, mandown: 1, lost: 2, stale: 3, online: 4, unheard: 5 }

export interface Ranked {
  state: State
  team: string
  /** Place of the callsign among all, from `nameOrder`: comparing numbers each second is cheap, names is not. */
  place: number
}

const byName = new Intl.Collator('zh-CN', { numeric: true })

const NUMBERED = /^(.*?)(\d{1,15})$/su

/**
 * For each name its place in the alphabet, 0 first; equal names keep their order. Callsigns are few words with many numbers:
 * the words are put in order by the language's rules, the numbers by their value, which is several times as quick.
 */
export function nameOrder(names: readonly string[]): number[] {
  const words = new Map<string, number>()
  const word = new Int32Array(names.length)
  const value = new Float64Array(names.length)
  names.forEach((name, i) => {
    const [, text, digits] = NUMBERED.exec(name) ?? [name, name, '-1']
    let known = words.get(text!)
    if (known === undefined) words.set(text!, (known = words.size))
    word[i] = known
    value[i] = Number(digits)
  })
  const rank = new Int32Array(words.size)
  ;[...words.keys()].sort(byName.compare).forEach((text, place) => (rank[words.get(text)!] = place))
  const order = names.map((_, i) => i).sort((a, b) => rank[word[a]!]! - rank[word[b]!]! || value[a]! - value[b]! || a - b)
  const places = new Array<number>(names.length)
  order.forEach((index, place) => (places[index] = place))
  return places
}

export function compareUnits(a: Ranked, b: Ranked): number {
  return RANK[a.state] - RANK[b.state] || a.place - b.place
}

export interface Team<T extends Ranked> {
  name: string
  units: T[]
}

/** Units in teams. The team with the unit worst off comes first, teams without a name last among equals. */
export function teams<T extends Ranked>(units: readonly T[]): Team<T>[] {
  const byTeam = new Map<string, T[]>()
  for (const unit of units) {
    const members = byTeam.get(unit.team)
    if (members) members.push(unit)
    else byTeam.set(unit.team, [unit])
  }
  const list = [...byTeam].map(([name, members]) => ({ name, units: members.sort(compareUnits) }))
  const worst = (team: Team<T>): number => urgency(RANK[team.units[0]!.state])
  return list.sort((a, b) => worst(a) - worst(b) || Number(a.name === '') - Number(b.name === '') || byName.compare(a.name, b.name))
}

/** A team where all is well keeps its place in the alphabet, whether or not a member never reported. */
function urgency(rank: number): number {
  return Math.min(rank, RANK.online)
}

/** Ids are long and random: a digit or two stands in most of them and means none. */
const ID_CHARS_MIN = 4

/** Whether a unit is meant by what was typed: every word stands in its callsign, the pinyin letters of it, its team or id. */
export function matches(query: string, callsign: string, team: string, id: string): boolean {
  const hay = `${callsign} ${initials(callsign)} ${team}`.toLowerCase()
  return query.toLowerCase().split(/\s+/).every((word) => hay.includes(word) || (word.length >= ID_CHARS_MIN && id.toLowerCase().includes(word)))
}
