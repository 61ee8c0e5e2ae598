/**
 * Symbols by the graphics card: one `gl.POINTS` call for all units.
 *
 * Enters: one vertex a unit, 24 bytes: mercator before and now, relative to an anchor (float32 alone is good to 2.4 m only),
 * then course in degrees (65535: none), cell of the atlas, size in CSS pixels, and what is drawn of the cell. Leaves: pixels.
 * Between two pictures the card moves symbols from the place before to the place now. `null` from `make` when there is no
 * WebGL 2, or only one without a graphics card; the overlay then draws by canvas.
 */
import { CELL_PX, COLUMNS, ROWS } from './atlas'
import type { View } from './view'

export const VERTEX_BYTES = 24
export const NO_COURSE = 65_535
/** `what`: a dot is cut out of the middle of its cell, a symbol is its whole cell; beyond, how far the arrow stands off, px. */
export const WHAT_DOT = 1
export const whatOf = (dot: boolean, reachPx: number): number => Number(dot) | (reachPx << 1)
/** Renderers that are a processor in disguise: to read their picture back costs more than to draw it by hand. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i
/** The arrow's length, and room for its edge. */
const ARROW_PX = 16

const VERTEX = `#version 300 es
layout(location=0) in vec4 a_at;
layout(location=1) in uvec4 a_look;
uniform vec2 u_centre;
uniform vec2 u_scale;
uniform float u_dpr;
uniform float u_part;
out vec2 v_cell;
out vec2 v_heading;
flat out vec3 v_px;
void main() {
  gl_Position = vec4((mix(a_at.xy, a_at.zw, u_part) - u_centre) * u_scale, 0.0, 1.0);
  float cell = float(a_look.y);
  float size = float(a_look.z);
  float reach = a_look.x == ${NO_COURSE}u ? 0.0 : float(a_look.w >> 1u);
  float whole = max(size, 2.0 * (reach + ${ARROW_PX}.0) * sign(reach));
  gl_PointSize = whole * u_dpr;
  v_px = vec3(whole, (a_look.w & 1u) == 1u ? ${CELL_PX}.0 : size, reach);
  float course = radians(float(a_look.x));
  v_heading = vec2(sin(course), cos(course));
  v_cell = vec2(mod(cell, ${COLUMNS}.0), floor(cell / ${COLUMNS}.0));
}`

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D u_atlas;
uniform float u_dim;
uniform float u_dpr;
uniform vec3 u_ink;
uniform vec3 u_halo;
in vec2 v_cell;
in vec2 v_heading;
flat in vec3 v_px;
out vec4 colour;
void main() {
  vec2 p = (gl_PointCoord - 0.5) * v_px.x;
  vec2 q = p / v_px.y;
  vec4 c = vec4(0.0);
  if (max(abs(q.x), abs(q.y)) < 0.5) c = texture(u_atlas, (v_cell + 0.5 + q) / vec2(${COLUMNS}.0, ${ROWS}.0));
  if (v_px.z > 0.0) {
    vec2 r = vec2(p.x * v_heading.y + p.y * v_heading.x, p.y * v_heading.y - p.x * v_heading.x);
    float below = r.y + v_px.z + 12.0;
    float outside = max(abs(r.x) * 0.861 - below * 0.509, below - 11.0);
    float ink = clamp(0.5 - outside * u_dpr, 0.0, 1.0);
    float halo = clamp(0.5 - (outside - 1.5) * u_dpr, 0.0, 1.0);
    vec4 arrow = vec4(mix(u_halo, u_ink, ink) * halo, halo);
    c = arrow + c * (1.0 - arrow.a);
  }
  float grey = dot(c.rgb, vec3(0.299, 0.587, 0.114));
  colour = mix(c, vec4(vec3(grey), c.a) * 0.6, u_dim);
}`

const UNIFORMS = ['u_centre', 'u_scale', 'u_dpr', 'u_dim', 'u_part', 'u_ink', 'u_halo'] as const

export class Points {
  private readonly texture: WebGLTexture
  private readonly uniforms: Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>
  private count = 0
  private bytes = 0
  private anchorX = 0
  private anchorY = 0

  static make(canvas: HTMLCanvasElement): Points | null {
    const gl = canvas.getContext('webgl2', { alpha: true, premultipliedAlpha: true, antialias: false, depth: false })
    return gl && !gl.isContextLost() && (!isSoftware(gl) || isAnyTaken()) ? new Points(gl) : null
  }

  private constructor(private readonly gl: WebGL2RenderingContext) {
    const program = gl.createProgram()
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(type)!
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`map: shader: ${gl.getProgramInfoLog(program)}`)
    gl.useProgram(program)
    this.uniforms = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)])) as typeof this.uniforms
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer())
    gl.enableVertexAttribArray(0)
    gl.vertexAttribPointer(0, 4, gl.FLOAT, false, VERTEX_BYTES, 0)
    gl.enableVertexAttribArray(1)
    gl.vertexAttribIPointer(1, 4, gl.UNSIGNED_SHORT, VERTEX_BYTES, 16)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    this.texture = gl.createTexture()
  }

  /** `ink` and `halo` of the arrows, 0..1. */
  setAtlas(atlas: HTMLCanvasElement, ink: readonly number[], halo: readonly number[]): void {
    const { gl } = this
    gl.bindTexture(gl.TEXTURE_2D, this.texture)
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, atlas)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
    gl.uniform3fv(this.uniforms.u_ink, ink)
    gl.uniform3fv(this.uniforms.u_halo, halo)
  }

  setVertices(bytes: Uint8Array, count: number, anchorX: number, anchorY: number): void {
    const { gl } = this
    this.count = count
    this.anchorX = anchorX
    this.anchorY = anchorY
    if (bytes.length > this.bytes) gl.bufferData(gl.ARRAY_BUFFER, (this.bytes = bytes.length), gl.DYNAMIC_DRAW)
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, bytes, 0, count * VERTEX_BYTES)
  }

  /** `part`: how far symbols are on their way from the place before to the place now, 0..1. */
  draw(view: View, dpr: number, dim: number, part: number): void {
    const { gl, uniforms } = this
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.uniform2f(uniforms.u_centre, view.cx - this.anchorX, view.cy - this.anchorY)
    gl.uniform2f(uniforms.u_scale, (2 * view.worldPx) / view.widthPx, (-2 * view.worldPx) / view.heightPx)
    gl.uniform1f(uniforms.u_dpr, dpr)
    gl.uniform1f(uniforms.u_dim, dim)
    gl.uniform1f(uniforms.u_part, part)
    if (this.count > 0) gl.drawArrays(gl.POINTS, 0, this.count)
  }
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const names = gl.getExtension('WEBGL_debug_renderer_info')
  return SOFTWARE.test(String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER)))
}

/** `zhantu.card` = `any` in the browser's storage: for a test of this file on a machine without a card. */
function isAnyTaken(): boolean {
  try {
    return localStorage.getItem('zhantu.card') === 'any'
  } catch {
    return false
  }
}
