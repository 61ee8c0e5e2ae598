/** How the overlay is to look now, and what of a unit decides how it is drawn. */
import type { Theme } from './ground'
import type { Mark } from './scene'

/** `answered`: slots whose call for help somebody has answered; only the others blink. */
export interface Look {
  theme: Theme
  cut: boolean
  blinkOn: boolean
  answered: ReadonlySet<number>
  /** Range rings around the selected unit. */
  rings: boolean
  /** Lines of degrees, where no base map and no other grid says how the map moves; trails, but for that of the selected unit. */
  grid: boolean
  trails: boolean
  /** Rings of danger around a sign that stands in a row of signs. */
  small?: boolean
}

/** How far a symbol with its rings of danger reaches; what is drawn around it starts here. */
export function reachPx(mark: Mark): number {
  return mark.state === 'sos' ? 40 : mark.state === 'mandown' ? 50 : mark.selected || mark.chosen ? 26 : 22
}

export const isDanger = ({ state }: Pick<Mark, 'state'>): boolean => state === 'sos' || state === 'mandown'
