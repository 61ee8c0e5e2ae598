/**
 * public/icon.svg as PNG, for phones that take no SVG. Called by vite.config.ts.
 *
 * It knows what our icon is made of, rectangles with round corners and circles, and refuses anything else.
 */
import { deflateSync } from 'node:zlib'

const SAMPLES = 4
type Attributes = Record<string, string>
type Rgb = [number, number, number]

const number = (a: Attributes, name: string, otherwise = 0): number => (a[name] === undefined ? otherwise : Number(a[name]))
const colour = (hex: string): Rgb => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as Rgb

function shapes(svg: string): { box: number; list: ((x: number, y: number) => Rgb | null)[] } {
  const list = [...svg.matchAll(/<(\w+)([^>]*)>/g)].flatMap(([, name, rest]) => {
    const a: Attributes = Object.fromEntries([...rest!.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]))
    if (name === 'rect') return [rect(a)]
    if (name === 'circle') return [circle(a)]
    if (name === 'svg') return []
    throw new Error(`icon: <${name}> in icon.svg, allowed are rect and circle`)
  })
  return { box: Number(/viewBox="0 0 (\d+) /.exec(svg)![1]), list }
}

function rect(a: Attributes): (x: number, y: number) => Rgb | null {
  const [w, h, r, fill] = [number(a, 'width'), number(a, 'height'), number(a, 'rx'), colour(a.fill!)]
  return (x, y) => {
    if (x < 0 || y < 0 || x > w || y > h) return null
    const [dx, dy] = [Math.max(r - x, x - (w - r), 0), Math.max(r - y, y - (h - r), 0)]
    return dx * dx + dy * dy <= r * r ? fill : null
  }
}

function circle(a: Attributes): (x: number, y: number) => Rgb | null {
  const [cx, cy, r, half] = [number(a, 'cx'), number(a, 'cy'), number(a, 'r'), number(a, 'stroke-width') / 2]
  const [on = 1, off = 0] = (a['stroke-dasharray'] ?? '1 0').split(' ').map(Number)
  const [stroke, fill] = [a.stroke, a.fill].map((name) => (name === undefined || name === 'none' ? null : colour(name)))
  return (x, y) => {
    const distance = Math.sqrt((x - cx) ** 2 + (y - cy) ** 2)
    if (distance > r + half) return null
    if (stroke && distance >= r - half) {
      const along = ((Math.atan2(y - cy, x - cx) + 2 * Math.PI) % (2 * Math.PI)) * r
      if (along % (on + off) <= on) return stroke
    }
    return distance <= r ? fill ?? null : null
  }
}

/** `bleed`: the ground reaches the corners, for systems that cut their own shape. */
export function png(svg: string, px: number, bleed: boolean): Buffer {
  const { box, list } = shapes(bleed ? svg.replace(/ rx="\d+"/, '') : svg)
  const scale = box / px
  const topmost = (x: number, y: number): Rgb | null => {
    for (let i = list.length - 1; i >= 0; i--) {
      const found = list[i]!(x, y)
      if (found) return found
    }
    return null
  }
  const rows = Buffer.alloc(px * (px * 4 + 1))
  for (let y = 0; y < px; y++) {
    for (let x = 0; x < px; x++) {
      let [r, g, b, covered] = [0, 0, 0, 0]
      for (let sub = 0; sub < SAMPLES * SAMPLES; sub++) {
        const found = topmost((x + ((sub % SAMPLES) + 0.5) / SAMPLES) * scale, (y + (Math.floor(sub / SAMPLES) + 0.5) / SAMPLES) * scale)
        if (!found) continue
        r += found[0]
        g += found[1]
        b += found[2]
        covered += 1
      }
      if (covered === 0) continue
      const at = y * (px * 4 + 1) + 1 + x * 4
      rows[at] = Math.round(r / covered)
      rows[at + 1] = Math.round(g / covered)
      rows[at + 2] = Math.round(b / covered)
      rows[at + 3] = Math.round((255 * covered) / SAMPLES ** 2)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(px, 0)
  header.writeUInt32BE(px, 4)
  header.set([8, 6, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc(body), body.length + 4)
  return out
}

function crc(data: Buffer): number {
  let sum = 0xffffffff
  for (const byte of data) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1
  }
  return (sum ^ 0xffffffff) >>> 0
}
