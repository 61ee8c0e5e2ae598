/**
 * Dots without a graphics card: pixels are written by hand, ten thousand in a few milliseconds.
 *
 * Enters: places in pixels of the canvas and which stamp each is. Leaves: an image on the canvas. Stamps are cut out of the
 * atlas, so that a dot looks the same with and without WebGL.
 */
export class Dots {
  private image: ImageData | null = null
  private pixels = new Uint32Array(0)

  constructor(private readonly stamps: readonly Uint32Array[], private readonly side: number) {}

  /** Stamps of `side` pixels from the middle of cells of `atlas`. */
  static from(atlas: HTMLCanvasElement, middles: readonly (readonly [number, number])[], side: number): Dots {
    const g = atlas.getContext('2d')!
    const half = side / 2
    return new Dots(middles.map(([x, y]) => new Uint32Array(g.getImageData(Math.round(x - half), Math.round(y - half), side, side).data.buffer)), side)
  }

  begin(g: CanvasRenderingContext2D): void {
    const { width, height } = g.canvas
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = g.createImageData(width, height)
      this.pixels = new Uint32Array(this.image.data.buffer)
    } else this.pixels.fill(0)
  }

  add(x: number, y: number, which: number): void {
    stamp(this.pixels, this.image!.width, this.image!.height, this.stamps[which]!, this.side, Math.round(x - this.side / 2), Math.round(y - this.side / 2))
  }

  end(g: CanvasRenderingContext2D): void {
    g.putImageData(this.image!, 0, 0)
  }
}

/** Writes what is at least half opaque of a square stamp at a place of an image; what is beyond the image is left out. */
export function stamp(into: Uint32Array, width: number, height: number, from: Uint32Array, side: number, left: number, top: number): void {
  const [firstRow, lastRow] = [Math.max(0, -top), Math.min(side, height - top)]
  const [first, last] = [Math.max(0, -left), Math.min(side, width - left)]
  for (let row = firstRow; row < lastRow; row++) {
    let at = (top + row) * width + left + first
    for (let i = row * side + first; i < row * side + last; i++, at++) if (from[i]! >>> 31) into[at] = from[i]!
  }
}
