/** The map that the tools hang on. */
import type { Ground } from '../map/ground'

export const mounted: { ground: Ground | null; box: HTMLElement | null } = { ground: null, box: null }
