/** Cameras and nets as the hub tells them, by name; which cameras are being watched. Bounds: LISTED_MAX of each, WATCHED_MAX. */
import { computed, signal, type Signal } from '@preact/signals'
import type { Camera, Net, ReadinessMessage } from '../feed/readiness'

const LISTED_MAX = 500
/** More panes than this are watched by nobody. */
export const WATCHED_MAX = 4

export const cameras = signal<Camera[]>([])
export const nets = signal<Net[]>([])
const chosen = signal<string[]>([])
/** Open panes, the oldest first. One whose camera is gone closes. */
export const watched = computed(() => chosen.value.flatMap((id) => cameras.value.find((one) => one.id === id) ?? []))

export function clearReadiness(): void {
  cameras.value = []
  nets.value = []
}

export function takeReadiness(message: ReadinessMessage): void {
  if (message.k === 'camera') put(cameras, message)
  else put(nets, message)
}

export const camerasOf = (unit: string): Camera[] => cameras.value.filter((one) => one.unit === unit)

/** One more pane; of too many the oldest goes. */
export function watch(id: string): void {
  chosen.value = [...chosen.peek().filter((one) => one !== id), id].slice(-WATCHED_MAX)
}

export function unwatch(id: string): void {
  chosen.value = chosen.peek().filter((one) => one !== id)
}

const byName = new Intl.Collator('zh-CN', { numeric: true })

function put<T extends Camera | Net>(list: Signal<T[]>, one: T): void {
  const others = list.peek().filter(({ id }) => id !== one.id)
  list.value = one.gone ? others : [...others, one].sort((a, b) => byName.compare(a.name, b.name)).slice(0, LISTED_MAX)
}
