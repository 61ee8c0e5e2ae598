/** Units and drawings as GeoJSON, KML and GPX, for other programs. Pure. Times are UTC, places WGS-84. */
import type { Position } from '../feed/safety'
import type { FileShape } from './layer'

export interface Given extends FileShape { about: Record<string, string | number | null>; t: number | null }
export const FORMATS = ['geojson', 'kml', 'gpx'] as const
export type Format = (typeof FORMATS)[number]
export const MIMES: Record<Format, string> = { geojson: 'application/geo+json', kml: 'application/vnd.google-earth.kml+xml', gpx: 'application/gpx+xml' }

const escape = (text: string): string => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
const round = (value: number): number => Number(value.toFixed(7))
const iso = (t: number): string => new Date(t).toISOString()

export function write(format: Format, given: readonly Given[], title: string, now: number): string {
  return format === 'geojson' ? geoJson(given, title, now) : format === 'kml' ? kml(given, title, now) : gpx(given, title, now)
}

function geoJson(given: readonly Given[], title: string, now: number): string {
  const geometry = ({ kind, rings }: Given): unknown => {
    const lines = rings.map((ring) => ring.map(([lon, lat]) => [round(lon), round(lat)]))
    if (kind === 'point') return { type: 'Point', coordinates: lines[0]![0] }
    if (kind === 'area') return { type: 'Polygon', coordinates: lines }
    return lines.length === 1 ? { type: 'LineString', coordinates: lines[0] } : { type: 'MultiLineString', coordinates: lines }
  }
  const features = given.map((one) => ({
    type: 'Feature', geometry: geometry(one), properties: { name: one.name, ...one.about, time: one.t === null ? null : iso(one.t) },
  }))
  return JSON.stringify({ type: 'FeatureCollection', name: title, time: iso(now), features }, null, 1)
}

const tuples = (ring: readonly Position[]): string => ring.map(([lon, lat]) => `${round(lon)},${round(lat)}`).join(' ')
const aboutText = (one: Given): string => Object.entries(one.about).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`).join('\n')

function kml(given: readonly Given[], title: string, now: number): string {
  const ring = (points: readonly Position[]): string => `<LinearRing><coordinates>${tuples(points)}</coordinates></LinearRing>`
  const shape = ({ kind, rings }: Given): string => {
    if (kind === 'point') return `<Point><coordinates>${tuples(rings[0]!)}</coordinates></Point>`
    if (kind === 'line') return `<MultiGeometry>${rings.map((line) => `<LineString><coordinates>${tuples(line)}</coordinates></LineString>`).join('')}</MultiGeometry>`
    const [outer, ...inner] = rings
    return `<Polygon><outerBoundaryIs>${ring(outer!)}</outerBoundaryIs>${inner.map((hole) => `<innerBoundaryIs>${ring(hole)}</innerBoundaryIs>`).join('')}</Polygon>`
  }
  const marks = given.map((one) => {
    const when = one.t === null ? '' : `<TimeStamp><when>${iso(one.t)}</when></TimeStamp>`
    return `<Placemark><name>${escape(one.name)}</name><description>${escape(aboutText(one))}</description>${when}${shape(one)}</Placemark>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>${escape(title)}</name><description>${iso(now)}</description>\n${marks.join('\n')}\n</Document></kml>\n`
}

/** An area becomes its edge: GPX knows none. */
function gpx(given: readonly Given[], title: string, now: number): string {
  const at = ([lon, lat]: Position): string => `lat="${round(lat)}" lon="${round(lon)}"`
  const words = (one: Given): string => `<name>${escape(one.name)}</name><desc>${escape(aboutText(one))}</desc>`
  const points = given.filter(({ kind }) => kind === 'point').map((one) => `<wpt ${at(one.rings[0]![0]!)}>${one.t === null ? '' : `<time>${iso(one.t)}</time>`}${words(one)}</wpt>`)
  const lines = given.filter(({ kind }) => kind !== 'point').map((one) =>
    `<trk>${words(one)}${one.rings.map((ring) => `<trkseg>${ring.map((point) => `<trkpt ${at(point)}/>`).join('')}</trkseg>`).join('')}</trk>`)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Zhantu" xmlns="http://www.topografix.com/GPX/1/1"><metadata><name>${escape(title)}</name><time>${iso(now)}</time></metadata>\n${[...points, ...lines].join('\n')}\n</gpx>\n`
}
