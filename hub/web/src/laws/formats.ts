/** In which forms this reader wants numbers; `words.ts` and `positionText` follow it. What is sent and kept never does. */
import { signal } from '@preact/signals'

export const POSITIONS = ['deg', 'dms'] as const
export type PositionForm = (typeof POSITIONS)[number]
export const LENGTHS = ['metric', 'nautical'] as const
export type LengthForm = (typeof LENGTHS)[number]
export const HOURS = ['local', 'utc'] as const
export type HoursForm = (typeof HOURS)[number]

export interface Formats { position: PositionForm; length: LengthForm; hours: HoursForm }

export const FORMATS_PLAIN: Formats = { position: 'deg', length: 'metric', hours: 'local' }
export const formats = signal<Formats>(FORMATS_PLAIN)
