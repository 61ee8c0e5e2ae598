/**
 * Dots without a graphics card: pixels are written by hand, ten thousand in a few milliseconds.
 *
 * Enters: places in pixels of the canvas and which stamp each is. Leaves: an image on the canvas. Stamps are cut out of the
 * atlas, so that a dot looks the same with and without WebGL.
 */
export class Dots {
  private image: ImageData | null = null
  private pixels = new Uint32Array(0)

  constructor(private readonly stamps: readonly Stamp[], readonly side: number) {}

  /** Stamps of `side` pixels, each from a square of `cut` pixels around the middle of a cell of `atlas`. */
  static from(atlas: HTMLCanvasElement, middles: readonly (readonly [number, number])[], cut: number, side: number): Dots {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = side
    const g = canvas.getContext('2d', { willReadFrequently: true })!
    return new Dots(middles.map(([x, y]) => {
      g.clearRect(0, 0, side, side)
      g.drawImage(atlas, x - cut / 2, y - cut / 2, cut, cut, 0, 0, side, side)
      return stampOf(new Uint32Array(g.getImageData(0, 0, side, side).data.buffer), side)
    }), side)
  }

  begin(g: CanvasRenderingContext2D): void {
    const { width, height } = g.canvas
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = g.createImageData(width, height)
      this.pixels = new Uint32Array(this.image.data.buffer)
    } else this.pixels.fill(0)
  }

  /** `x`, `y` in pixels of the canvas. One that is not wholly on it is drawn in part. */
  add(x: number, y: number, which: number): void {
    press(this.pixels, this.image!.width, this.image!.height, this.stamps[which]!, Math.round(x), Math.round(y))
  }

  end(g: CanvasRenderingContext2D): void {
    g.putImageData(this.image!, 0, 0)
  }
}

/** The opaque pixels of a dot, from its middle. */
export interface Stamp { dx: Int16Array; dy: Int16Array; colour: Uint32Array; reach: number }

/** What is at least half opaque of a square image. */
export function stampOf(image: Uint32Array, side: number): Stamp {
  const solid = [...image.keys()].filter((i) => image[i]! >>> 31)
  const half = Math.round(side / 2)
  return {
    dx: Int16Array.from(solid, (i) => (i % side) - half), dy: Int16Array.from(solid, (i) => Math.floor(i / side) - half),
    colour: Uint32Array.from(solid, (i) => image[i]!), reach: half + 1,
  }
}

export function press(into: Uint32Array, width: number, height: number, { dx, dy, colour, reach }: Stamp, x: number, y: number): void {
  const middle = y * width + x
  if (x >= reach && y >= reach && x < width - reach && y < height - reach) {
    for (let i = 0; i < colour.length; i++) into[middle + dy[i]! * width + dx[i]!] = colour[i]!
    return
  }
  for (let i = 0; i < colour.length; i++) {
    const [px, py] = [x + dx[i]!, y + dy[i]!]
    if (px >= 0 && py >= 0 && px < width && py < height) into[py * width + px] = colour[i]!
  }
}
