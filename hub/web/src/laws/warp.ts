/**
 * Which tiles of a map in other coordinates lie under a tile of WGS-84, and how they are moved and turned to fit. Pure.
 *
 * Within a tile the shift is affine to a third of a pixel at zoom 10 and much less below, and neighbours agree at their common
 * corners. Called by `ground/tiles.ts`.
 */
import type { Position } from '../feed/safety'
import { latOf, lonOf, mercatorX, mercatorY } from '../map/view'
import type { Crs } from './crs'

export interface Warp {
  /** Tiles to put side by side, from this column and row on. */
  x0: number
  y0: number
  columns: number
  rows: number
  /** Canvas transform of the stitched tiles' pixels to the wanted tile's: a, b, c, d, e, f. */
  transform: [number, number, number, number, number, number]
}

/** Of a tile: rounding must not ask for a neighbour of which nothing is seen. */
const HAIR = 1e-5

export function warpOf(z: number, x: number, y: number, tilePx: number, crs: Crs, toCrs: (at: Position, crs: Crs) => Position): Warp {
  const side = 2 ** z
  const there = (cx: number, cy: number): [number, number] => {
    const [lon, lat] = toCrs([lonOf((x + cx) / side), latOf((y + cy) / side)], crs)
    return [mercatorX(lon) * side * tilePx, mercatorY(lat) * side * tilePx]
  }
  const corners = [there(0, 0), there(1, 0), there(0, 1), there(1, 1)] as const
  const least = (i: 0 | 1): number => Math.max(0, Math.floor(Math.min(...corners.map((c) => c[i])) / tilePx + HAIR))
  const most = (i: 0 | 1): number => Math.min(side - 1, Math.floor(Math.max(...corners.map((c) => c[i])) / tilePx - HAIR))
  const [x0, y0] = [least(0), least(1)]
  const [o, r, d] = corners
  // The wanted tile's pixel (u, v) is at o + u·(r − o)/px + v·(d − o)/px of theirs: the canvas needs the inverse.
  const [rx, ry] = [(r[0] - o[0]) / tilePx, (r[1] - o[1]) / tilePx]
  const [dx, dy] = [(d[0] - o[0]) / tilePx, (d[1] - o[1]) / tilePx]
  const det = rx * dy - dx * ry
  const [a, b, c, e] = [dy / det, -ry / det, -dx / det, rx / det]
  const [ox, oy] = [o[0] - x0 * tilePx, o[1] - y0 * tilePx]
  return { x0, y0, columns: most(0) - x0 + 1, rows: most(1) - y0 + 1, transform: [a, b, c, e, -(a * ox + c * oy), -(b * ox + e * oy)] }
}
