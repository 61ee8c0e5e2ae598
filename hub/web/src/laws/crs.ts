/**
 * The one seam between WGS-84, in which everything here is kept and drawn, and maps or files in other coordinates.
 *
 * A map's tiles are moved under the units (`warp.ts`), never the units over the tiles: so a click is WGS-84 by itself, and maps of
 * both kinds lie over one another. **Source:** gcoord (MIT); ../shared vectors in the tests.
 */
import gcoord from 'gcoord'
import type { Position } from '../feed/safety'

export type Crs = 'wgs84' | 'gcj02' | 'bd09'

const SYSTEMS = { gcj02: gcoord.GCJ02, bd09: gcoord.BD09 }

/** WGS-84 → a map's coordinates. */
export function toCrs(at: Position, crs: Crs): Position {
  return crs === 'wgs84' ? at : (gcoord.transform([...at], gcoord.WGS84, SYSTEMS[crs]) as Position)
}

/** A map's or file's coordinates → WGS-84, by going there and back until it is within a centimetre. */
export function fromCrs(at: Position, crs: Crs): Position {
  if (crs === 'wgs84') return at
  let found: Position = [...at]
  for (let i = 0; i < 10; i++) {
    const there = toCrs(found, crs)
    const [dx, dy] = [at[0] - there[0], at[1] - there[1]]
    found = [found[0] + dx, found[1] + dy]
    if (Math.abs(dx) < 1e-9 && Math.abs(dy) < 1e-9) break
  }
  return found
}
