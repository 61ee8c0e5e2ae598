/** What vehicles are doing, by slot, as the hub tells it; of one that nobody knows anything of there is none. */
import { signal } from '@preact/signals'
import type { VehicleMessage } from '../feed/whereabouts'

export const vehicles = signal<ReadonlyMap<number, VehicleMessage>>(new Map())

export function clearVehicles(): void {
  vehicles.value = new Map()
}

export function takeVehicle(message: VehicleMessage): void {
  const next = new Map(vehicles.peek())
  if (message.code === 0) next.delete(message.slot)
  else next.set(message.slot, message)
  vehicles.value = next
}
