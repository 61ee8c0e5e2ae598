/** Layers that are asked of the hub when somebody switches them on. null: off. Bound: FEATURES_MAX of each. */
import { signal } from '@preact/signals'
import { searchShare, signalCells } from '../api/safety'
import { isRecord, maps, type Raw } from '../feed/raw'
import type { Geometry } from '../feed/safety'

const FEATURES_MAX = 5_000

export interface Feature { geometry: Geometry; properties: Raw }
export interface Layer { features: Feature[] }
export type LayerName = 'signal' | 'search'

export const layers = signal<Record<LayerName, Layer | null>>({ signal: null, search: null })

export async function toggleLayer(name: LayerName): Promise<void> {
  if (layers.peek()[name] !== null) {
    layers.value = { ...layers.peek(), [name]: null }
    return
  }
  const said = await (name === 'signal' ? signalCells() : searchShare())
  const found = isRecord(said) ? maps(said.features) : []
  const features = found.filter(({ geometry }) => isRecord(geometry)).slice(0, FEATURES_MAX)
    .map(({ geometry, properties }) => ({ geometry: geometry as unknown as Geometry, properties: isRecord(properties) ? properties : {} }))
  layers.value = { ...layers.peek(), [name]: { features } }
}
