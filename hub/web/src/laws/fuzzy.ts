/** How well a few typed letters mean a name. Pure. */

const RUN = 6
const WORD_START = 4
const STARTS = /[\s\-_·/（(]/

/**
 * Above 0 when all letters stand in `name` in their order, more where they stand together, at the beginning of words, and
 * in a short name; 0 when one of them is missing.
 */
export function fits(typed: string, name: string): number {
  const letters = [...typed.toLowerCase()].filter((letter) => letter !== ' ')
  const hay = name.toLowerCase()
  if (letters.length === 0) return 1
  const whole = hay.indexOf(letters.join(''))
  if (whole >= 0) return 100 + letters.length * RUN + (whole === 0 ? 20 : STARTS.test(hay[whole - 1]!) ? 10 : 0) - hay.length / 100
  let [score, from, last] = [1, 0, -2]
  for (const letter of letters) {
    const at = hay.indexOf(letter, from)
    if (at < 0) return 0
    score += (at === last + 1 ? RUN : 0) + (at === 0 || STARTS.test(hay[at - 1]!) ? WORD_START : 1)
    last = at
    from = at + 1
  }
  return score - hay.length / 100
}

/** The best of several names of one thing. */
export const fitsAny = (typed: string, names: readonly string[]): number => Math.max(0, ...names.map((name) => fits(typed, name)))
