/** Which base maps the hub has, and how each does. Asked when the tools are loaded, and again each minute while they are open. */
import { signal } from '@preact/signals'
import { ask } from '../api/http'
import type { Crs } from '../laws/crs'

export interface MapInfo {
  id: string
  name: string
  name_en: string
  form: 'web' | 'pmtiles' | 'mbtiles' | 'folder'
  kind: 'raster' | 'vector' | 'dem'
  crs: Crs
  encoding: 'terrarium' | 'mapbox'
  attribution: string
  approval: string
  source: string
  date: string
  tile_px: number
  min_zoom: number
  max_zoom: number
  bounds: [number, number, number, number]
  reachable: boolean
  failing: string
  failing_since_ms: number | null
  t_ok_ms: number | null
}

export const CRS: readonly Crs[] = ['wgs84', 'gcj02', 'bd09']

export const maps = signal<MapInfo[]>([])
/** Why the list could not be had, '' when it could. */
export const mapsTrouble = signal('')

export async function askMaps(): Promise<void> {
  try {
    maps.value = (await ask<{ maps: MapInfo[] }>('GET', '/maps')).maps
    mapsTrouble.value = ''
  } catch (error) {
    // The list that was had stays; the layers' window says how old it may be.
    mapsTrouble.value = String(error)
  }
}

/** Opaque pictures and drawn maps. */
export const isBase = (map: MapInfo): boolean => map.kind !== 'dem'
