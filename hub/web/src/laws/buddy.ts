/** Who is nearest. Pure. Called by the unit's drawer. */

const M_PER_DEG = 111_195

interface Places { lat: Int32Array; lon: Int32Array; t_fix: Float64Array }

/** The nearest of `others` that has a position, with the distance in metres on the flat; null: nobody, or `slot` has none. */
export function nearest({ lat, lon, t_fix }: Places, slot: number, others: readonly number[]): { slot: number; metres: number } | null {
  if (Number.isNaN(t_fix[slot]!)) return null
  const east = Math.cos((lat[slot]! / 1e7) * (Math.PI / 180))
  let best: { slot: number; metres: number } | null = null
  for (const other of others) {
    if (Number.isNaN(t_fix[other]!)) continue
    const metres = (M_PER_DEG / 1e7) * Math.hypot(lat[other]! - lat[slot]!, (lon[other]! - lon[slot]!) * east)
    if (best === null || metres < best.metres) best = { slot: other, metres }
  }
  return best
}
