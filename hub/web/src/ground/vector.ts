/**
 * Our own look of a vector base map: greys, so that the units are the only colour. Pure.
 *
 * Knows the layers of OpenMapTiles, Protomaps and Shortbread by name; what a map does not have is not drawn. Borders of countries
 * are never drawn: whose they are is the map's approval to say. Labels come from fonts of this machine (no `glyphs`).
 */
import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl'
import type { Lang } from '../i18n'
import type { Theme } from '../tokens'

interface Greys { water: string; green: string; built: string; road: string; edge: string; rail: string; label: string; halo: string }

const GREYS: Record<Theme, Greys> = {
  night: { water: '#12171d', green: '#1e2529', built: '#2a323a', road: '#3a444e', edge: '#14191e', rail: '#46515c', label: '#a3afba', halo: '#161b20' },
  day: { water: '#cfd7dc', green: '#dfe4e2', built: '#d3d7da', road: '#ffffff', edge: '#bcc4ca', rail: '#a8b1b8', label: '#4b5660', halo: '#f1f3f4' },
  red: { water: '#000000', green: '#0a0000', built: '#160000', road: '#3a0000', edge: '#000000', rail: '#3a0000', label: '#f20000', halo: '#000000' },
}
const WATER = ['water', 'ocean', 'water_polygons']
const GREEN = ['landcover', 'landuse', 'park', 'land', 'natural']
const BUILT = ['building', 'buildings']
const ROADS = ['transportation', 'roads', 'streets']
const RIVERS = ['waterway', 'water_lines', 'physical_line']
const NAMES = ['place', 'places', 'place_labels', 'transportation_name', 'street_labels', 'water_name', 'poi', 'pois']

export function vectorLayers(source: string, theme: Theme, lang: Lang, opacity: number): LayerSpecification[] {
  const c = GREYS[theme]
  const of = (name: string): { source: string; 'source-layer': string } => ({ source, 'source-layer': name })
  const fill = (name: string, colour: string): LayerSpecification =>
    ({ id: `v-fill-${name}`, type: 'fill', ...of(name), filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': colour, 'fill-opacity': opacity } })
  const line = (name: string, kind: string, colour: string, width: number): LayerSpecification => ({
    id: `v-${kind}-${name}`, type: 'line', ...of(name), filter: ['==', ['geometry-type'], 'LineString'], layout: { 'line-cap': 'round', 'line-join': 'round' },
    paint: { 'line-color': colour, 'line-opacity': opacity, 'line-width': ['interpolate', ['exponential', 1.5], ['zoom'], 6, 0.3 * width, 12, width, 18, 9 * width] },
  })
  return [
    ...GREEN.map((name) => fill(name, c.green)), ...WATER.map((name) => fill(name, c.water)), ...BUILT.map((name) => fill(name, c.built)),
    ...RIVERS.map((name) => line(name, 'river', c.water, 1)),
    ...ROADS.flatMap((name) => [line(name, 'edge', c.edge, 2), line(name, 'road', c.road, 1.3)]),
    ...NAMES.map((name) => label(name, of(name), c, lang, opacity)),
  ]
}

function label(name: string, of: { source: string; 'source-layer': string }, c: Greys, lang: Lang, opacity: number): LayerSpecification {
  const names: ExpressionSpecification = lang === 'zh'
    ? ['coalesce', ['get', 'name:zh'], ['get', 'name:zh-Hans'], ['get', 'name'], '']
    : ['coalesce', ['get', 'name:en'], ['get', 'name:latin'], ['get', 'name'], '']
  const along = name === 'transportation_name' || name === 'street_labels'
  return {
    id: `v-name-${name}`, type: 'symbol', ...of, ...(name.startsWith('poi') && { minzoom: 15 }),
    layout: { 'text-field': names, 'text-size': along ? 12 : 14, 'text-padding': 6, 'symbol-placement': along ? 'line' : 'point' },
    paint: { 'text-color': c.label, 'text-halo-color': c.halo, 'text-halo-width': 1.4, 'text-opacity': opacity },
  }
}
