/** What a person set for this browser: remembered here, and nowhere else. */
import { effect } from '@preact/signals'
import { formats, FORMATS_PLAIN, HOURS, LENGTHS, type Formats } from '../laws/formats'

const REMEMBERED = 'zhantu.formats'

export function setFormat<Name extends keyof Formats>(name: Name, form: Formats[Name]): void {
  formats.value = { ...formats.peek(), [name]: form }
}

/** What another version left here may be anything: only what is known counts. */
function remembered(): Formats {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(REMEMBERED) ?? '{}')
    const one = <T extends string>(name: keyof Formats, allowed: readonly T[]): T =>
      allowed.find((form) => form === (kept as Partial<Formats>)?.[name]) ?? (FORMATS_PLAIN[name] as T)
    return { length: one('length', LENGTHS), hours: one('hours', HOURS) }
  } catch {
    return FORMATS_PLAIN
  }
}

export function startSettings(): void {
  formats.value = remembered()
  effect(() => {
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify(formats.value))
    } catch {
      // A browser that forbids storage forgets them.
    }
  })
}
