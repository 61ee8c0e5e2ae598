/**
 * Symbols by the graphics card: one `gl.POINTS` call for all units.
 *
 * Enters: one vertex a unit, 12 bytes: mercator relative to an anchor (float32 alone is good to 2.4 m only), cell of the
 * atlas, size. Leaves: pixels. `null` from `make` when there is no WebGL 2; the overlay then draws by canvas.
 */
import { CELL_PX, COLUMNS, ROWS } from './atlas'
import type { View } from './view'

export const VERTEX_BYTES = 12

const VERTEX = `#version 300 es
layout(location=0) in vec2 a_at;
layout(location=1) in uvec2 a_cell_size;
uniform vec2 u_centre;
uniform vec2 u_scale;
uniform float u_dpr;
out vec2 v_cell;
void main() {
  gl_Position = vec4((a_at - u_centre) * u_scale, 0.0, 1.0);
  gl_PointSize = float(a_cell_size.y) * u_dpr;
  float cell = float(a_cell_size.x);
  v_cell = vec2(mod(cell, ${COLUMNS}.0), floor(cell / ${COLUMNS}.0));
}`

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D u_atlas;
uniform float u_dim;
in vec2 v_cell;
out vec4 colour;
void main() {
  vec4 c = texture(u_atlas, (v_cell + gl_PointCoord) / vec2(${COLUMNS}.0, ${ROWS}.0));
  float grey = dot(c.rgb, vec3(0.299, 0.587, 0.114));
  colour = mix(c, vec4(vec3(grey), c.a) * 0.6, u_dim);
}`

export class Points {
  private readonly texture: WebGLTexture
  private readonly uniforms: Record<'u_centre' | 'u_scale' | 'u_dpr' | 'u_dim', WebGLUniformLocation | null>
  private count = 0
  private anchorX = 0
  private anchorY = 0

  static make(canvas: HTMLCanvasElement): Points | null {
    const gl = canvas.getContext('webgl2', { alpha: true, premultipliedAlpha: true, antialias: false, depth: false })
    return gl && new Points(gl)
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
    const uniform = (name: string): WebGLUniformLocation | null => gl.getUniformLocation(program, name)
    this.uniforms = { u_centre: uniform('u_centre'), u_scale: uniform('u_scale'), u_dpr: uniform('u_dpr'), u_dim: uniform('u_dim') }
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer())
    gl.enableVertexAttribArray(0)
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, VERTEX_BYTES, 0)
    gl.enableVertexAttribArray(1)
    gl.vertexAttribIPointer(1, 2, gl.UNSIGNED_SHORT, VERTEX_BYTES, 8)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    this.texture = gl.createTexture()
  }

  setAtlas(atlas: HTMLCanvasElement): void {
    const { gl } = this
    gl.bindTexture(gl.TEXTURE_2D, this.texture)
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, atlas)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
  }

  setVertices(bytes: Uint8Array, count: number, anchorX: number, anchorY: number): void {
    this.count = count
    this.anchorX = anchorX
    this.anchorY = anchorY
    this.gl.bufferData(this.gl.ARRAY_BUFFER, bytes, this.gl.DYNAMIC_DRAW)
  }

  draw(view: View, dpr: number, dim: number): void {
    const { gl, uniforms } = this
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.uniform2f(uniforms.u_centre, view.cx - this.anchorX, view.cy - this.anchorY)
    gl.uniform2f(uniforms.u_scale, (2 * view.worldPx) / view.widthPx, (-2 * view.worldPx) / view.heightPx)
    gl.uniform1f(uniforms.u_dpr, dpr)
    gl.uniform1f(uniforms.u_dim, dim)
    if (this.count > 0) gl.drawArrays(gl.POINTS, 0, this.count)
  }

  /** Size in CSS pixels of a whole cell. */
  static readonly cellPx = CELL_PX
}
