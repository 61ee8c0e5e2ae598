/**
 * Makes the two ground files of the page: `npm run outline`.
 *
 * Enters: map/shandong_cities_wgs84.geojson (outlines of the sixteen cities, WGS-84, schematic) and Natural Earth's
 * land of world-atlas (public domain). Leaves: public/map/shandong.geojson and public/map/land.geojson, rounded to
 * about 10 m and 100 m. Land has no borders of any country on purpose: the map is schematic and not a standard map.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { feature } from 'topojson-client'

const here = (path) => new URL(path, import.meta.url)
const read = (path) => JSON.parse(readFileSync(here(path), 'utf8'))
const write = (path, value) => writeFileSync(here(path), JSON.stringify(value) + '\n')

/** West, south, east, north of the land that is kept, degrees. */
const FRAME = [108, 29, 130, 43]

const round = (digits) => ([lon, lat]) => [Number(lon.toFixed(digits)), Number(lat.toFixed(digits))]

function withoutRepeats(ring) {
  return ring.filter((point, i) => i === 0 || point[0] !== ring[i - 1][0] || point[1] !== ring[i - 1][1])
}

/** One ring cut by one side of the frame (Sutherland and Hodgman 1974). */
function cut(ring, axis, limit, keepsBelow) {
  const inside = (p) => (keepsBelow ? p[axis] <= limit : p[axis] >= limit)
  const out = []
  for (let i = 0; i < ring.length; i++) {
    const a = ring[(i + ring.length - 1) % ring.length]
    const b = ring[i]
    if (inside(a) !== inside(b)) {
      const f = (limit - a[axis]) / (b[axis] - a[axis])
      const other = a[1 - axis] + f * (b[1 - axis] - a[1 - axis])
      out.push(axis === 0 ? [limit, other] : [other, limit])
    }
    if (inside(b)) out.push(b)
  }
  return out
}

function clip(ring) {
  const [west, south, east, north] = FRAME
  let points = ring.slice(0, -1)
  for (const [axis, limit, keepsBelow] of [[0, west, false], [0, east, true], [1, south, false], [1, north, true]]) {
    points = cut(points, axis, limit, keepsBelow)
  }
  const rounded = withoutRepeats(points.map(round(3)))
  return rounded.length < 3 ? null : [...rounded, rounded[0]]
}

function land() {
  const atlas = read('../node_modules/world-atlas/land-10m.json')
  const shapes = feature(atlas, atlas.objects.land)
  const polygons = (shapes.features ?? [shapes]).flatMap((f) =>
    f.geometry.type === 'Polygon' ? [f.geometry.coordinates] : f.geometry.coordinates,
  )
  const kept = polygons.map((polygon) => polygon.map(clip)).filter((polygon) => polygon[0])
  const coordinates = kept.map((polygon) => polygon.filter(Boolean))
  return {
    type: 'FeatureCollection',
    features: [{ type: 'Feature', properties: {}, geometry: { type: 'MultiPolygon', coordinates } }],
  }
}

function cities() {
  const source = read('../map/shandong_cities_wgs84.geojson')
  const ring = (points) => withoutRepeats(points.map(round(4)))
  const features = source.features.flatMap(({ id, properties, geometry }) => {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
    const { name, en, adcode, center } = properties
    return [
      {
        type: 'Feature',
        id: Number(id),
        properties: { adcode, name, en },
        geometry: { type: 'MultiPolygon', coordinates: polygons.map((polygon) => polygon.map(ring)) },
      },
      { type: 'Feature', properties: { adcode, name, en }, geometry: { type: 'Point', coordinates: center } },
    ]
  })
  return { type: 'FeatureCollection', note: '示意，非标准地图 schematic, not a standard map; WGS-84', features }
}

write('../public/map/land.geojson', land())
write('../public/map/shandong.geojson', cities())
