/**
 * Layers that are asked of the hub when somebody switches them on. null: off. Bound: FEATURES_MAX of each.
 *
 * Signal: a cell is there only where units were. Search: a feature a segment, and `plans` beside them.
 */
import { signal } from '@preact/signals'
import { searchShare, signalCells } from '../api/safety'
import { isRecord, maps, type Raw } from '../feed/raw'
import type { Geometry } from '../feed/safety'

const FEATURES_MAX = 5_000

export interface Feature { geometry: Geometry; properties: Raw }
/** `about`: what the answer says beside its features. */
export interface Layer { features: Feature[]; about: Raw }
export type LayerName = 'signal' | 'search'

export const layers = signal<Record<LayerName, Layer | null>>({ signal: null, search: null })
/** Of which bearer the cells are, '' for all. */
export const bearer = signal('')

export async function toggleLayer(name: LayerName): Promise<void> {
  if (layers.peek()[name] === null) await loadLayer(name)
  else layers.value = { ...layers.peek(), [name]: null }
}

export async function loadLayer(name: LayerName): Promise<void> {
  const wanted = bearer.peek()
  const said = await (name === 'signal' ? signalCells(wanted) : searchShare())
  if (name === 'signal' && wanted !== bearer.peek()) return // another one was chosen meanwhile
  layers.value = { ...layers.peek(), [name]: layerOf(said) }
}

export function layerOf(said: unknown): Layer {
  const features = (isRecord(said) ? maps(said.features) : []).filter(({ geometry }) => isRecord(geometry)).slice(0, FEATURES_MAX)
    .map(({ geometry, properties }) => ({ geometry: geometry as unknown as Geometry, properties: isRecord(properties) ? properties : {} }))
  return { features, about: isRecord(said) ? said : {} }
}

export const holes = (layer: Layer): number => layer.features.filter(({ properties }) => properties.hole === true).length
