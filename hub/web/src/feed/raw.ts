/** What msgpack gave, looked at with care. Called by the decoders only. */
export class FeedError extends Error {}

export type Raw = Record<string, unknown>

/** A number, whichever of msgpack's forms it came in; NaN for nil. */
export function number(value: unknown, name: string): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value === null || value === undefined) return NaN
  throw new FeedError(`feed: ${name} is ${typeof value}, needs a number`)
}

export function needed(value: unknown, name: string): number {
  const found = number(value, name)
  if (Number.isNaN(found)) throw new FeedError(`feed: ${name} is missing`)
  return found
}

export const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value)
export const isRecord = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value)
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')
export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
export const maps = (value: unknown): Raw[] => (Array.isArray(value) ? value.filter(isRecord) : [])
export const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : [])
export const numbers = (value: unknown): number[] => (Array.isArray(value) ? value.map((one) => number(one, 'a list')) : [])

/** The same without bigint, for what is handed on as it came: geometries and the like. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
  return value
}
