/**
 * The one blink rate of the page, for a call that nobody has answered: an attribute of the root that changes twice a second,
 * in step with the map. An endless animation of the style sheet would lay out sixty frames a second for two changes.
 */
import { effect } from '@preact/signals'
import { isAnswered } from '../laws/alarms'
import { blinkOn } from '../map/motion'
import { openAlarms, pulse } from './core'

export function startBlink(): void {
  effect(() => {
    void pulse.value
    const calls = openAlarms.value.some((alarm) => !isAnswered(alarm))
    document.documentElement.dataset.blink = calls && !blinkOn() ? 'off' : 'on'
  })
}
