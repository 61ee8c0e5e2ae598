/**
 * GeoJSON, KML and GPX, read in the browser; nothing leaves it. Pure: text in, shapes out, FileError with its line otherwise.
 *
 * **Source:** RFC 7946; OGC KML 2.3; GPX 1.1. Coordinates are WGS-84 by all three; a file that was made over another map is turned
 * by the caller.
 */
import type { Position } from '../feed/safety'
import { FILE_BYTES_MAX, FileError, Gathering, place, type FileLayer } from './layer'
import { all, first, parseXml, textOf, type Element } from './xml'

export function readFile(name: string, text: string): FileLayer {
  if (text.length > FILE_BYTES_MAX) throw new FileError('file_large', null, String(FILE_BYTES_MAX / 1024 / 1024))
  if (text.startsWith('PK\u0003\u0004')) throw new FileError('file_kmz', null)
  const begin = text.replace(/^\ufeff/, '').trimStart()
  if (begin.startsWith('{')) return readGeoJson(text)
  if (!begin.startsWith('<')) throw new FileError('file_kind', null, name.slice(-40))
  const root = parseXml(text)
  if (root.name === 'gpx') return readGpx(root)
  if (root.name === 'kml' || root.name === 'Document' || root.name === 'Placemark') return readKml(root)
  throw new FileError('file_kind', root.line, `<${root.name}>`)
}

// --- GPX

function gpxPlace(of: Element): Position {
  const { lat = '', lon = '' } = of.attributes
  return place(lon === '' ? NaN : Number(lon), lat === '' ? NaN : Number(lat), of.line, `lat="${lat}" lon="${lon}"`)
}

function readGpx(root: Element): FileLayer {
  const found = new Gathering()
  for (const point of all(root, 'wpt')) found.add('point', [[gpxPlace(point)]], textOf(point, 'name'), point.line)
  for (const route of all(root, 'rte')) found.add('line', [all(route, 'rtept').map(gpxPlace)], textOf(route, 'name'), route.line)
  for (const track of all(root, 'trk')) found.add('line', all(track, 'trkseg').map((part) => all(part, 'trkpt').map(gpxPlace)), textOf(track, 'name'), track.line)
  return found.layer()
}

// --- KML

function kmlPlaces(of: Element, name = 'coordinates'): Position[] {
  const element = first(of, name)
  if (!element) throw new FileError('file_shape', of.line, `<${of.name}>`)
  return element.text.trim().split(/\s+/).filter((tuple) => tuple !== '').map((tuple) => {
    const [lon = NaN, lat = NaN] = tuple.split(',').map(Number)
    return place(lon, lat, element.line, tuple)
  })
}

function readKml(root: Element): FileLayer {
  const found = new Gathering()
  const shape = (of: Element, name: string): void => {
    switch (of.name) {
      case 'Point': return found.add('point', [kmlPlaces(of)], name, of.line)
      case 'LineString': return found.add('line', [kmlPlaces(of)], name, of.line)
      case 'LinearRing': return found.add('area', [kmlPlaces(of)], name, of.line)
      case 'Polygon': {
        const edges = [...all(of, 'outerBoundaryIs'), ...all(of, 'innerBoundaryIs')].flatMap((edge) => all(edge, 'LinearRing'))
        return found.add('area', edges.map((ring) => kmlPlaces(ring)), name, of.line)
      }
      case 'Track': {
        const line = all(of, 'coord').map((at) => {
          const [lon = NaN, lat = NaN] = at.text.trim().split(/\s+/).map(Number)
          return place(lon, lat, at.line, at.text.trim())
        })
        return found.add('line', [line], name, of.line)
      }
      case 'MultiGeometry':
      case 'MultiTrack': return of.children.forEach((child) => shape(child, name))
    }
  }
  const walk = (of: Element): void => {
    if (of.name === 'Placemark') return of.children.forEach((child) => shape(child, textOf(of, 'name')))
    of.children.forEach(walk)
  }
  walk(root)
  return found.layer()
}

// --- GeoJSON

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** V8 says a position, others a line; the line is what a person finds in an editor. */
function lineOf(error: unknown, text: string): number | null {
  const said = String(error)
  const line = /line (\d+)/.exec(said)
  if (line) return Number(line[1])
  const at = /position (\d+)/.exec(said)
  return at ? text.slice(0, Number(at[1])).split('\n').length : null
}

function readGeoJson(text: string): FileLayer {
  let whole: unknown
  try {
    whole = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    throw new FileError('file_json', lineOf(error, text) ?? text.split('\n').length, String(error).replace(/^SyntaxError: /, '').slice(0, 80))
  }
  const found = new Gathering()
  let feature = 0
  const at = (value: unknown): Position => {
    const pair = Array.isArray(value) ? value : []
    return place(Number(pair[0] ?? NaN), Number(pair[1] ?? NaN), null, `#${feature} ${JSON.stringify(value)}`)
  }
  const list = (value: unknown): unknown[] => {
    if (!Array.isArray(value)) throw new FileError('file_shape', null, `#${feature} ${JSON.stringify(value)?.slice(0, 40)}`)
    return value
  }
  const line = (value: unknown): Position[] => list(value).map(at)
  const shape = (geometry: unknown, name: string): void => {
    if (!isMap(geometry)) return
    const { type, coordinates } = geometry
    switch (type) {
      case 'Point': return found.add('point', [[at(coordinates)]], name, null)
      case 'MultiPoint': return list(coordinates).forEach((one) => found.add('point', [[at(one)]], name, null))
      case 'LineString': return found.add('line', [line(coordinates)], name, null)
      case 'MultiLineString': return found.add('line', list(coordinates).map(line), name, null)
      case 'Polygon': return found.add('area', list(coordinates).map(line), name, null)
      case 'MultiPolygon': return list(coordinates).forEach((one) => found.add('area', list(one).map(line), name, null))
      case 'GeometryCollection': return list(geometry.geometries).forEach((one) => shape(one, name))
      default: throw new FileError('file_shape', null, `#${feature} ${String(type).slice(0, 40)}`)
    }
  }
  const walk = (value: unknown): void => {
    if (!isMap(value)) return
    if (value.type === 'FeatureCollection') return list(value.features).forEach(walk)
    feature++
    if (value.type !== 'Feature') return shape(value, '')
    const said = isMap(value.properties) ? value.properties : {}
    const name = [said.name, said.words, said.title, said.NAME, said['名称']].find((one) => typeof one === 'string')
    shape(value.geometry, typeof name === 'string' ? name : '')
  }
  walk(whole)
  return found.layer()
}
