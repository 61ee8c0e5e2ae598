/** A file that somebody dropped on the map, as shapes with names. Bounds keep a wrong file from stopping the page. */
import type { Position } from '../feed/safety'

export interface FileShape { kind: 'point' | 'line' | 'area'; rings: Position[][]; name: string }
export interface FileLayer { shapes: FileShape[]; points: number }

export const FILE_BYTES_MAX = 20 * 1024 * 1024
export const POINTS_MAX = 200_000
export const SHAPES_MAX = 20_000

export type Trouble = 'file_large' | 'file_kind' | 'file_empty' | 'file_points' | 'file_kmz' | 'file_json' | 'file_xml' | 'file_place' | 'file_shape' | 'file_doctype'

/** What is wrong with a file: `said` is what came, `line` where, null when that means nothing. */
export class FileError extends Error {
  constructor(readonly trouble: Trouble, readonly line: number | null, readonly said = '') {
    super(`${trouble}${line === null ? '' : ` line ${line}`}${said && `: ${said}`}`)
  }
}

/** Shapes one by one, within the bounds. */
export class Gathering {
  readonly shapes: FileShape[] = []
  points = 0

  add(kind: FileShape['kind'], rings: Position[][], name: string, line: number | null): void {
    this.points += rings.reduce((sum, ring) => sum + ring.length, 0)
    if (this.points > POINTS_MAX || this.shapes.length >= SHAPES_MAX) throw new FileError('file_points', line, String(POINTS_MAX))
    if (rings.some((ring) => ring.length > 0)) this.shapes.push({ kind, rings, name: name.slice(0, 200) })
  }

  layer(): FileLayer {
    if (this.shapes.length === 0) throw new FileError('file_empty', null)
    return { shapes: this.shapes, points: this.points }
  }
}

/** Degrees that can be a place; FileError names the line otherwise. */
export function place(lon: number, lat: number, line: number | null, said: string): Position {
  if (!(Math.abs(lon) <= 180 && Math.abs(lat) <= 90)) throw new FileError('file_place', line, said.slice(0, 60))
  return [lon, lat]
}
