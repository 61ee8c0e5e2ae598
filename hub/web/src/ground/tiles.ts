/**
 * Tiles of the hub's base maps, as MapLibre and the plain ground ask for them: from a PMTiles archive by ranges, else one by one;
 * those of a map in other coordinates stitched and moved to WGS-84.
 *
 * One protocol, `zmap://ID/z/x/y`, for all. Where there is no tile it gives nothing, and what does not come is counted for the
 * layers' list. Bounds: CACHE_MAX source tiles of shifted maps, the oldest goes.
 */
import { addProtocol } from 'maplibre-gl'
import type { PMTiles } from './archive'
import type { MapInfo } from './maps'
import type { Warp } from '../laws/warp'

const CACHE_MAX = 256
export const SCHEME = 'zmap'

const known = new Map<string, MapInfo>()
const archives = new Map<string, Promise<PMTiles>>()
const stitchable = new Map<string, Promise<ImageBitmap | null>>()
let seam: Promise<typeof import('./shift')> | null = null

/** Which maps there are. The protocol may then be asked for them. */
export function setMaps(maps: readonly MapInfo[]): void {
  known.clear()
  for (const map of maps) known.set(map.id, map)
}

const absolute = (path: string): string => new URL(path, document.baseURI).href
export const tileUrl = (map: MapInfo): string => `${SCHEME}://${map.id}/{z}/{x}/{y}`
/** Where the hub itself serves the tiles. */
export const hubUrl = (map: MapInfo): string => `${absolute(`maps/${map.id}/`)}{z}/{x}/{y}`

async function archiveOf(map: MapInfo): Promise<PMTiles> {
  let made = archives.get(map.id)
  if (!made) archives.set(map.id, (made = import('./archive').then(({ PMTiles }) => new PMTiles(absolute(`maps/${map.id}.pmtiles`)))))
  return made
}

/** The bytes of one tile in the map's own grid; null where there is none. Error when it does not come. */
export async function bytesOf(map: MapInfo, z: number, x: number, y: number, signal?: AbortSignal): Promise<ArrayBuffer | null> {
  if (map.form === 'pmtiles') {
    const archive = await archiveOf(map)
    return (await archive.getZxy(z, x, y, signal))?.data ?? null
  }
  const answer = await fetch(absolute(`maps/${map.id}/${z}/${x}/${y}`), { credentials: 'same-origin', ...(signal && { signal }) })
  if (answer.status === 204) return null
  if (!answer.ok) throw new Error(`map ${map.id}: ${answer.status}`)
  return answer.arrayBuffer()
}

const nothing = (): { data: ArrayBuffer } => ({ data: new ArrayBuffer(0) })

/** Makes the protocol known to MapLibre, once. */
export function startTiles(): void {
  addProtocol(SCHEME, async ({ url }, abort) => {
    const [id = '', z, x, y] = url.slice(SCHEME.length + 3).split('/')
    const map = known.get(id)
    if (!map) return nothing()
    const at = [Number(z), Number(x), Number(y)] as const
    if (map.crs !== 'wgs84') return { data: (await shifted(map, ...at)) ?? new ArrayBuffer(0) }
    return { data: (await bytesOf(map, ...at, abort.signal)) ?? new ArrayBuffer(0) }
  })
}

/** A tile of WGS-84 as a picture, whatever the map's coordinates; null where there is none. For the plain ground. */
export async function pictureOf(map: MapInfo, z: number, x: number, y: number): Promise<ImageBitmap | null> {
  return map.crs === 'wgs84' ? sourceTile(map, z, x, y) : shifted(map, z, x, y)
}

async function shifted(map: MapInfo, z: number, x: number, y: number): Promise<ImageBitmap | null> {
  seam ??= import('./shift')
  const { toCrs, warpOf } = await seam
  const warp = warpOf(z, x, y, map.tile_px, map.crs, toCrs)
  const wanted = Array.from({ length: warp.columns * warp.rows }, (_, i) => sourceTile(map, z, warp.x0 + (i % warp.columns), warp.y0 + Math.floor(i / warp.columns)))
  const pictures = await Promise.all(wanted)
  return pictures.every((picture) => picture === null) ? null : stitched(pictures, warp, map.tile_px)
}

/** First side by side on whole pixels, then all at once through the transform: no seam shows between them. */
function stitched(pictures: (ImageBitmap | null)[], { columns, rows, transform }: Warp, px: number): ImageBitmap {
  const whole = new OffscreenCanvas(columns * px, rows * px)
  const g = whole.getContext('2d')!
  pictures.forEach((picture, i) => picture && g.drawImage(picture, (i % columns) * px, Math.floor(i / columns) * px, px, px))
  const out = new OffscreenCanvas(px, px)
  const to = out.getContext('2d')!
  to.imageSmoothingQuality = 'high'
  to.setTransform(...transform)
  to.drawImage(whole, 0, 0)
  return out.transferToImageBitmap()
}

function sourceTile(map: MapInfo, z: number, x: number, y: number): Promise<ImageBitmap | null> {
  const key = `${map.id}/${z}/${x}/${y}`
  const had = stitchable.get(key)
  if (had) {
    stitchable.delete(key)
    stitchable.set(key, had)
    return had
  }
  const made = bytesOf(map, z, x, y).then((bytes) => (bytes ? createImageBitmap(new Blob([bytes])) : null))
  made.catch(() => stitchable.delete(key))
  stitchable.set(key, made)
  if (stitchable.size > CACHE_MAX) stitchable.delete(stitchable.keys().next().value!)
  return made
}
