/**
 * The picture as it stands, to be kept for an opening without a hub: names and one snapshot, in the feed's own form.
 *
 * Enters: the store. Leaves: bytes that `decode` reads again. What a body says is not kept: a phone is lost more easily than
 * a hub, and of a heart rate of yesterday nobody needs to know.
 */
import { encode } from '@msgpack/msgpack'
import { FLAG_BODY } from '../laws/contact'
import { COLUMN_TYPES, type ColumnArray, type ColumnName } from './messages'
import type { Store } from './store'

/** Above this nothing is kept: about 40,000 units. */
export const KEPT_BYTES_MAX = 8 * 2 ** 20
const OF_THE_BODY: ReadonlySet<ColumnName> = new Set(['hr'])

export interface Kept { t: number; wallMs: number; realm: string; drill: boolean; meta: Uint8Array; snap: Uint8Array }

/** `t`: hub ms of the picture. null when there is nobody, or too much. */
export function packPicture(store: Store, t: number): Pick<Kept, 'meta' | 'snap'> | null {
  const { slots } = store
  if (slots.length === 0) return null
  const c: Record<string, Uint8Array> = { slot: bytesOf(Uint32Array.from(slots)) }
  for (const name of Object.keys(COLUMN_TYPES) as ColumnName[]) {
    if (name === 'slot' || OF_THE_BODY.has(name)) continue
    const column = store.col[name]
    const rows = new (column.constructor as new (n: number) => ColumnArray)(slots.length)
    slots.forEach((slot, i) => (rows[i] = name === 'flags' ? column[slot]! & ~FLAG_BODY : column[slot]!))
    c[name] = bytesOf(rows)
  }
  const meta = encode({ k: 'meta', units: slots.map((slot) => store.meta(slot)) })
  const snap = encode({ k: 'snap', t, seq: store.seq, n: slots.length, c })
  return meta.byteLength + snap.byteLength > KEPT_BYTES_MAX ? null : { meta, snap }
}

const bytesOf = (column: ColumnArray): Uint8Array => new Uint8Array(column.buffer, column.byteOffset, column.byteLength)

/** What time it is at the hub, by this machine's clock since it was kept, ms; NaN when that clock went back: then no age is known. */
export function hubMsNow({ t, wallMs }: Pick<Kept, 't' | 'wallMs'>, nowWallMs: number): number {
  return nowWallMs < wallMs ? NaN : t + (nowWallMs - wallMs)
}
