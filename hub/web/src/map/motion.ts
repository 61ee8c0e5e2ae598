/** Whether anything may move by itself, and the one rate at which things blink. */
const HALF_MS = 500

/** A person asked their machine for stillness. */
export const isStill = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches

/** True in the half of each second in which what blinks is seen; always true when nothing may move. */
export const blinkOn = (): boolean => isStill() || Math.floor(performance.now() / HALF_MS) % 2 === 0
