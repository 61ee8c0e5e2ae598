/** People of boards: who is missing, and whom an order to an entry team means. Pure. */
import type { AirTeam, RollMessage } from '../feed/safety'

export const missingOf = ({ counts }: RollMessage): number => counts.unconfirmed + counts.stale + counts.refused

/** Units of an entry team, as an order names them; "" when all of it are people by hand. */
export function orderTarget({ members }: AirTeam): string {
  const units = members.flatMap(({ unit }) => (unit ? [unit] : []))
  return units.length > 1 ? `units:${units.join(',')}` : (units[0] ?? '')
}
