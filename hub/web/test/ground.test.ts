import { describe, expect, it } from 'vitest'
import type { Position } from '../src/feed/safety'
import { FileError, POINTS_MAX, type FileLayer } from '../src/files/layer'
import { readFile } from '../src/files/read'
import { FORMATS, write, type Given } from '../src/files/write'
import { fromCrs, toCrs, type Crs } from '../src/laws/crs'
import { ahead, areaM2, leg, lengthM, ringAround, sectorRing } from '../src/laws/geo'
import { angleText, areaText, distanceText, dmsText, placeText, roundLength } from '../src/laws/places'
import { mgrsOf, placeOf, utmOf } from '../src/laws/utm'
import { warpOf } from '../src/laws/warp'
import { latOf, lonOf, mercatorX, mercatorY } from '../src/map/view'

/** Computed once by gcoord 1.0.7 and written down. */
const VECTORS: [string, Position, Position, Position][] = [
  ['Jinan', [116.99722, 36.66833], [117.0030503, 36.6685847], [117.0094334, 36.6749286]],
  ['Qingdao', [120.38042, 36.06488], [120.3855519, 36.0651539], [120.3920218, 36.0712357]],
  ['Laiwu', [117.65694, 36.19278], [117.6627763, 36.1927341], [117.669372, 36.1983812]],
  ['Yantai', [121.44081, 37.47649], [121.4460348, 37.4774771], [121.4524456, 37.4838288]],
  ['Weihai', [122.11356, 37.50914], [122.1186256, 37.5101768], [122.125179, 37.5159683]],
]
const near = (a: Position, b: Position): number => leg(a, b).metres

describe('coordinates of other maps', () => {
  it.each(VECTORS)('%s there', (_name, wgs84, gcj02, bd09) => {
    expect(near(toCrs(wgs84, 'gcj02'), gcj02)).toBeLessThan(0.02)
    expect(near(toCrs(wgs84, 'bd09'), bd09)).toBeLessThan(0.02)
    expect(toCrs(wgs84, 'wgs84')).toEqual(wgs84)
  })
  it.each(VECTORS)('%s and back within a decimetre', (_name, wgs84, gcj02, bd09) => {
    expect(near(fromCrs(gcj02, 'gcj02'), wgs84)).toBeLessThan(0.1)
    expect(near(fromCrs(bd09, 'bd09'), wgs84)).toBeLessThan(0.1)
    for (const crs of ['gcj02', 'bd09'] as Crs[]) expect(near(fromCrs(toCrs(wgs84, crs), crs), wgs84)).toBeLessThan(0.001)
  })
  it('outside China nothing is shifted', () => expect(toCrs([139.7, 35.7], 'gcj02')).toEqual([139.7, 35.7]))
})

describe('tiles of a shifted map', () => {
  it.each([[10, 843, 400, 0.35], [15, 26999, 12799, 0.1], [18, 215998, 102387, 0.1]])('a place of tile %i/%i/%i lies where it is, to %f of a pixel', (z, x, y, offPx) => {
    const px = 256
    const warp = warpOf(z, x, y, px, 'gcj02', toCrs)
    for (const [u, v] of [[0, 0], [256, 0], [0, 256], [256, 256], [128, 64], [30, 200]] as const) {
      const side = 2 ** z
      const wgs: Position = [lonOf((x + u / px) / side), latOf((y + v / px) / side)]
      const [lon, lat] = toCrs(wgs, 'gcj02')
      // Where their map has this place, in pixels of the stitched tiles, and where the transform puts that.
      const [sx, sy] = [(mercatorX(lon) * side - warp.x0) * px, (mercatorY(lat) * side - warp.y0) * px]
      expect(sx).toBeGreaterThanOrEqual(-offPx)
      expect(sx).toBeLessThanOrEqual(warp.columns * px + offPx)
      expect(sy).toBeGreaterThanOrEqual(-offPx)
      expect(sy).toBeLessThanOrEqual(warp.rows * px + offPx)
      const [a, b, c, d, e, f] = warp.transform
      expect(Math.hypot(a * sx + c * sy + e - u, b * sx + d * sy + f - v)).toBeLessThan(offPx)
    }
    expect(warp.columns * warp.rows).toBeLessThanOrEqual(4)
  })
  it('a map that is not shifted needs its own tile only', () => {
    const warp = warpOf(12, 3374, 1600, 256, 'wgs84', toCrs)
    expect([warp.x0, warp.y0, warp.columns, warp.rows]).toEqual([3374, 1600, 1, 1])
    warp.transform.forEach((value, i) => expect(value).toBeCloseTo([1, 0, 0, 1, 0, 0][i]!, 6))
  })
})

describe('measuring', () => {
  it('Flinders Peak to Buninyong, as Geoscience Australia publishes it', () => {
    const flinders: Position = [144.42486788, -37.95103342]
    const buninyong: Position = [143.92649553, -37.65282114]
    const { metres, bearingDeg } = leg(flinders, buninyong)
    expect(metres).toBeCloseTo(54_972.271, 1)
    expect(bearingDeg).toBeCloseTo(306.868158, 4)
    expect(near(ahead(flinders, bearingDeg, metres), buninyong)).toBeLessThan(0.001)
  })
  it('the same place, and places opposite each other', () => {
    expect(leg([117, 36], [117, 36])).toEqual({ metres: 0, bearingDeg: 0 })
    expect(leg([0, 0], [179.9, 0.1]).metres).toBeGreaterThan(19_900_000)
  })
  it.each([0, 45, 90, 200, 359])('walking along %i° comes that far that way', (bearing) => {
    const to = ahead([117, 36.65], bearing, 2_000)
    const back = leg([117, 36.65], to)
    expect(Math.abs(back.metres - 2_000)).toBeLessThan(0.001)
    expect(Math.abs(((back.bearingDeg - bearing + 540) % 360) - 180)).toBeLessThan(1e-6)
  })
  it('lengths and areas', () => {
    const square: Position[] = [[117, 36], ahead([117, 36], 90, 1_000), ahead(ahead([117, 36], 90, 1_000), 0, 1_000), ahead([117, 36], 0, 1_000)]
    expect(lengthM(square)).toBeCloseTo(3_000, -1)
    expect(areaM2(square) / 1e6).toBeCloseTo(1, 2)
    expect(areaM2([...square].reverse())).toBeCloseTo(areaM2(square), 3)
    expect(areaM2(ringAround([117, 36], 500)) / (Math.PI * 500 ** 2)).toBeCloseTo(1, 2)
  })
  it('a sector lies clockwise between its bearings', () => {
    const ring = sectorRing([117, 36], 1_000, 350, 20)
    const bearings = ring.slice(1, -1).map((at) => (leg([117, 36], at).bearingDeg + 180) % 360)
    expect(Math.min(...bearings)).toBeCloseTo(170, 1)
    expect(Math.max(...bearings)).toBeCloseTo(200, 1)
    expect(ring[0]).toEqual(ring[ring.length - 1])
  })
})

describe('places in words', () => {
  /** As `mgrs` 2.2.0 (proj4js) gives them, which is another series; the first is GeographicLib's own example. */
  it.each([
    [44.40363, 33.33424, '38S MB 44500 88500'], [-77.0365, 38.8977, '18S UJ 23394 07395'], [2.2945, 48.8583, '31U DQ 48251 11943'],
    [0, 0, '31N AA 66021 00000'], [151.2153, -33.8568, '56H LH 34900 52288'], [10, 60, '32V NM 55776 51832'],
    [116.99722, 36.66833, '50S MF 99751 58080'], [122.11356, 37.50914, '51S VB 21656 51724'],
  ])('MGRS of %f %f', (lon, lat, words) => expect(mgrsOf(lon, lat)).toBe(words))
  it('has no MGRS at the poles, and says degrees there', () => {
    expect(mgrsOf(0, 85)).toBeNull()
    expect(placeText(85, 0, 'mgrs')).toBe('85.000000° N, 0.000000° E')
  })
  it.each([[116.99722, 36.66833], [122.1, 37.5], [-77, -38.9], [3.001, 0.1]])('UTM of %f %f there and back', (lon, lat) => {
    const [x, y] = placeOf(utmOf(lon, lat))
    expect(near([x, y], [lon, lat])).toBeLessThan(0.001)
  })
  it('degrees, minutes, seconds never show sixty', () => {
    expect(dmsText(36.651234, 117)).toBe('36°39′04.44″N 117°00′00.00″E')
    expect(dmsText(-0.9999999, -9.99999999)).toBe('01°00′00.00″S 010°00′00.00″W')
  })
  it('bearings in degrees and mils', () => {
    expect(angleText(47.25, 'deg')).toBe('047.3°')
    expect(angleText(359.97, 'deg')).toBe('000.0°')
    expect(angleText(90, 'mil6000')).toBe('15-00')
    expect(angleText(359.99, 'mil6000')).toBe('00-00')
    expect(angleText(90, 'mil6400')).toBe('1600 mil')
  })
  it('lengths, areas, scale bars', () => {
    expect([distanceText(8.25), distanceText(847.4), distanceText(1284), distanceText(23_414)]).toEqual(['8.3 m', '847 m', '1.284 km', '23.41 km'])
    expect([areaText(12.34), areaText(2_500), areaText(1_234_567)]).toEqual(['12.3 m²', '2500 m²', '1.235 km²'])
    expect([roundLength(734), roundLength(199), roundLength(20.1), roundLength(9.9)]).toEqual([500, 100, 20, 5])
  })
})

const GPX = `<?xml version="1.0"?>
<gpx version="1.1"><wpt lat="36.65" lon="117.0"><name>集结点 &amp; A</name></wpt>
<trk><name>搜索</name><trkseg><trkpt lat="36.1" lon="117.1"/><trkpt lat="36.2" lon="117.2"/></trkseg></trk></gpx>`
const KML = `<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><Placemark><name><![CDATA[罐区 <1>]]></name>
<Polygon><outerBoundaryIs><LinearRing><coordinates>117,36,0 117.1,36 117.1,36.1
117,36</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder></Document></kml>`
const JSON_ = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"x"},"geometry":{"type":"Point","coordinates":[117,36]}}]}'

describe('dropped files', () => {
  it('GPX: points and tracks with names', () => {
    const { shapes, points } = readFile('a.gpx', GPX)
    expect(shapes.map(({ kind, name }) => [kind, name])).toEqual([['point', '集结点 & A'], ['line', '搜索']])
    expect(points).toBe(3)
    expect(shapes[1]!.rings).toEqual([[[117.1, 36.1], [117.2, 36.2]]])
  })
  it('KML: areas in folders', () => {
    const [area] = readFile('a.kml', KML).shapes
    expect([area!.kind, area!.name, area!.rings[0]!.length]).toEqual(['area', '罐区 <1>', 4])
  })
  it('GeoJSON', () => expect(readFile('a.json', JSON_).shapes).toEqual([{ kind: 'point', name: 'x', rings: [[[117, 36]]] }]))
  const wrong: [string, string, string][] = [
    ['a.gpx', GPX.replace('lat="36.1"', 'lat="96.1"'), 'file_place line 3: lat="96.1"'],
    ['a.gpx', GPX.replace('lat="36.1" ', ''), 'file_place line 3: lat=""'],
    ['a.gpx', GPX.replace('</trkseg>', ''), 'file_xml line 3: </trk>'],
    ['a.gpx', GPX.slice(0, 60), 'file_xml line 2'],
    ['a.gpx', `<!DOCTYPE x [<!ENTITY a "b">]>${GPX}`, 'file_doctype line 1'],
    ['a.kml', KML.replace('117.1,36 ', '117.1;36 '), 'file_place line 2: 117.1;36'],
    ['a.kml', KML.replace(/<coordinates>[\s\S]*<\/coordinates>/, ''), 'file_shape line 2: <LinearRing>'],
    ['a.json', '{\n"type": "Feature",\n"geometry": }', 'file_json line 3'],
    ['a.json', JSON_.replace('"Point"', '"Circle"'), 'file_shape: #1 Circle'],
    ['a.json', JSON_.replace('[117,36]', '[36,117]'), 'file_place: #1 [36,117]'],
    ['a.json', '{"type":"FeatureCollection","features":[]}', 'file_empty'],
    ['a.html', '<html></html>', 'file_kind line 1: <html>'],
    ['a.txt', 'hello', 'file_kind: a.txt'],
    ['a.kmz', 'PK\u0003\u0004…', 'file_kmz'],
  ]
  it.each(wrong)('%s %#: says what and where', (name, text, words) => {
    expect(() => readFile(name, text)).toThrow(FileError)
    expect(() => readFile(name, text)).toThrow(words)
  })
  it('has a bound', () => {
    const many = JSON.stringify({ type: 'LineString', coordinates: Array.from({ length: POINTS_MAX + 1 }, () => [117, 36]) })
    expect(() => readFile('a.json', many)).toThrow(`file_points: ${POINTS_MAX}`)
  })
  it('any cut of a file is read or refused in words', () => {
    for (const text of [GPX, KML, JSON_]) {
      for (let i = 0; i < text.length; i++) {
        try {
          readFile('x', text.slice(0, i))
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
        }
      }
    }
  })
})

describe('what is written is read again', () => {
  const given: Given[] = [
    { kind: 'point', name: '一 <"号">', rings: [[[117.1234567, 36.65]]], about: { state: '在线', n: 3, none: null }, t: 1_795_000_000_000 },
    { kind: 'line', name: '线', rings: [[[117, 36], [117.1, 36.1]]], about: {}, t: null },
    { kind: 'area', name: '区', rings: [[[117, 36], [117.1, 36], [117.1, 36.1], [117, 36]]], about: {}, t: null },
  ]
  it.each(FORMATS)('%s', (format) => {
    const layer: FileLayer = readFile(`x.${format}`, write(format, given, '战图 & 演练', 1_795_000_000_000))
    expect(layer.shapes.map(({ name }) => name)).toEqual(['一 <"号">', '线', '区'])
    expect(layer.shapes.map(({ kind }) => kind)).toEqual(['point', 'line', format === 'gpx' ? 'line' : 'area'])
    expect(layer.shapes.map(({ rings }) => rings)).toEqual(given.map(({ rings }) => rings))
  })
})
