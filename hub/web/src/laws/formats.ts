/** In which forms this reader wants numbers; `words.ts` follows it, places `app/ground.ts`. What is sent and kept never does. */
import { signal } from '@preact/signals'

export const LENGTHS = ['metric', 'nautical'] as const
export type LengthForm = (typeof LENGTHS)[number]
export const HOURS = ['local', 'utc'] as const
export type HoursForm = (typeof HOURS)[number]

export interface Formats { length: LengthForm; hours: HoursForm }

export const FORMATS_PLAIN: Formats = { length: 'metric', hours: 'local' }
export const formats = signal<Formats>(FORMATS_PLAIN)
