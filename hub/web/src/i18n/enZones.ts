/** English of `zhZones.ts`; a missing or extra key does not compile. */
import type { zhZones } from './zhZones'

export const enZones: Record<keyof typeof zhZones, string> = {
  zone_no_go: 'No go',
  zone_hot: 'Hot zone',
  zone_warm: 'Warm zone',
  zone_cold: 'Cold zone',
  zone_safe: 'Safe area',
  zone_assembly: 'Assembly point',
  zone_calls_enter: 'Alarms on entry',
  zone_calls_leave: 'Alarms on leaving',
  zone_calls_lead: 'Alarms {n} s before entry',
}
