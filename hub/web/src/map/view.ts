/**
 * Where the ground looks: north up, Web Mercator. Pure arithmetic in doubles, shared by both grounds and the overlay.
 */
export interface View {
  /** Mercator of the centre, 0..1 */
  cx: number
  cy: number
  /** Pixels of the whole world's width. */
  worldPx: number
  widthPx: number
  heightPx: number
}

const EARTH_M = 40_075_016.686
export const TILE_PX = 512

export const mercatorX = (lon: number): number => (lon + 180) / 360
export const mercatorY = (lat: number): number => 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI)
export const lonOf = (x: number): number => x * 360 - 180
export const latOf = (y: number): number => (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90

export const screenX = (view: View, x: number): number => (x - view.cx) * view.worldPx + view.widthPx / 2
export const screenY = (view: View, y: number): number => (y - view.cy) * view.worldPx + view.heightPx / 2

/** Pixels of one metre at a latitude. */
export const pxPerMetre = (view: View, lat: number): number => view.worldPx / (EARTH_M * Math.cos((lat * Math.PI) / 180))

export interface Bounds { west: number; south: number; east: number; north: number }

const RADIANS = Math.PI / 180

/** Along a great circle, metres. */
export function metresBetween(lat0: number, lon0: number, lat1: number, lon1: number): number {
  const [dLat, dLon] = [(lat1 - lat0) * RADIANS, (lon1 - lon0) * RADIANS]
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(lat0 * RADIANS) * Math.cos(lat1 * RADIANS) * Math.sin(dLon / 2) ** 2
  return (EARTH_M / Math.PI) * Math.asin(Math.min(1, Math.sqrt(h)))
}
