/** English of `zhZones.ts`; a missing or extra key does not compile. */
import type { zhZones } from './zhZones'

export const enZones: Record<keyof typeof zhZones, string> = {
  zone_no_go: 'No go',
  zone_hot: 'Hot zone',
  zone_warm: 'Warm zone',
  zone_cold: 'Cold zone',
  zone_safe: 'Safe area',
  zone_assembly: 'Assembly point',
}
