/** English of `zhMap.ts`; a missing or extra key does not compile. */
import type { zhMap } from './zhMap'

export const enMap: Record<keyof typeof zhMap, string> = {
  entrance: 'Entrance',
  entrance_n: '{n} inside',
  map_rings: 'Range rings (Q)',
  map_follow: 'Follow the selected unit (F)',
  following: 'Following {who}',
  follow_stop: 'Stop following (F)',
  chosen_n: '{n} selected',
  chosen_order: 'Give an order',
  chosen_clear: 'Clear',
  map_gl_lost: 'Graphics acceleration was lost; drawing plainly',
  tip_accuracy: '± {m}',
  tip_accuracy_unknown: 'accuracy unknown',
  tip_inside: 'inside for {age}',
}
