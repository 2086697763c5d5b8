/** Draws tiles with WebGL 2. Values are stretched for each pixel as it is drawn: another stretch is another drawing. */
import type { Matrix } from "./matrix";
import type { Tile } from "./tileStore";
import { ASINH_SOFTNESS, colourTable, type Display, LOG_EXPONENT, STRETCHES } from "./stretch";
import type { Tiling } from "./tiling";

const VERTEX = `#version 300 es
uniform vec4 place; // left, bottom, right, top, in pixels of the image
uniform mat3 toClip;
out vec2 within;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  within = corner;
  vec3 at = toClip * vec3(mix(place.xy, place.zw, corner), 1.0);
  gl_Position = vec4(at.xy, 0.0, at.z);
}`;

const fragment = (codes: boolean) => `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
uniform ${codes ? "usampler2D" : "sampler2D"} pixels;
uniform sampler2D colours;
uniform vec2 coding; // lowest, step
uniform vec2 limits;
uniform int stretch;
in vec2 within;
out vec4 colour;
void main() {
  ivec2 size = textureSize(pixels, 0);
  ivec2 at = min(ivec2(within * vec2(size)), size - 1);
  ${
    codes
      ? "uint code = texelFetch(pixels, at, 0).r; bool defined = code != 0u; float value = coding.x + coding.y * (float(code) - 1.0);"
      : "float value = texelFetch(pixels, at, 0).r; bool defined = !isnan(value);"
  }
  float part = clamp((value - limits.x) / (limits.y - limits.x), 0.0, 1.0);
  if (stretch == 1) part = sqrt(part);
  if (stretch == 2) part = asinh(part / ${ASINH_SOFTNESS.toFixed(4)}) / asinh(1.0 / ${ASINH_SOFTNESS.toFixed(4)});
  if (stretch == 3) part = log(${LOG_EXPONENT.toFixed(1)} * part + 1.0) / log(${(LOG_EXPONENT + 1).toFixed(1)});
  colour = defined ? texture(colours, vec2(part * 255.0 / 256.0 + 0.5 / 256.0, 0.5)) : vec4(0.16, 0.18, 0.26, 1.0);
}`;

interface Program {
  program: WebGLProgram;
  places: Record<"place" | "toClip" | "pixels" | "colours" | "coding" | "limits" | "stretch", WebGLUniformLocation | null>;
}

/** Returns how pixels of an image come into clip space where one of them is in the middle, `scale` pixels of the screen large. */
export function lookingAt(x: number, y: number, scale: number, width: number, height: number): Matrix {
  const [across, up] = [(2 * scale) / width, (2 * scale) / height];
  return [across, 0, -x * across, 0, up, -y * up, 0, 0, 1];
}

export class Painter {
  private readonly gl: WebGL2RenderingContext;
  private readonly ofCodes: Program;
  private readonly ofValues: Program;
  private readonly textures = new Map<Tile, WebGLTexture>();
  private readonly colours: WebGLTexture;
  private shownColours = "";

  /** Throws `Error` where the browser has no WebGL 2. */
  constructor(canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, preserveDrawingBuffer: true });
    if (gl === null) throw new Error("This browser shows no WebGL 2, which the viewer needs.");
    this.gl = gl;
    this.ofCodes = this.made(fragment(true));
    this.ofValues = this.made(fragment(false));
    this.colours = this.texture();
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  clear(): void {
    const { gl } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(0.02, 0.03, 0.06, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /** Draws tiles of an image, the later ones over the earlier, where `toClip` says that its pixels are. */
  draw(tiles: readonly Tile[], tiling: Tiling, toClip: Matrix, display: Display): void {
    const { gl } = this;
    this.showColours(display);
    for (const tile of tiles) {
      const { program, places } = tile.level === 0 ? this.ofCodes : this.ofValues;
      const side = tiling.tile_px * 2 ** tile.level;
      const left = tile.column * side;
      const bottom = tile.row * side;
      // The last pixels of a level may stand for less than those before.
      const right = left + tile.width * 2 ** tile.level;
      const top = bottom + tile.height * 2 ** tile.level;
      gl.useProgram(program);
      gl.uniform4f(places.place, left, bottom, right, top);
      gl.uniformMatrix3fv(places.toClip, true, toClip);
      gl.uniform2f(places.coding, tile.coding?.lowest ?? 0, tile.coding?.step ?? 1);
      gl.uniform2f(places.limits, display.low, display.high);
      gl.uniform1i(places.stretch, STRETCHES.indexOf(display.stretch));
      gl.uniform1i(places.pixels, 0);
      gl.uniform1i(places.colours, 1);
      gl.activeTexture(gl.TEXTURE1);
      gl.bindTexture(gl.TEXTURE_2D, this.colours);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, this.textureOf(tile));
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  /** Frees what a tile takes on the graphics card. */
  forget(tile: Tile): void {
    const texture = this.textures.get(tile);
    if (texture !== undefined) this.gl.deleteTexture(texture);
    this.textures.delete(tile);
  }

  close(): void {
    for (const tile of [...this.textures.keys()]) this.forget(tile);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private textureOf(tile: Tile): WebGLTexture {
    const known = this.textures.get(tile);
    if (known !== undefined) return known;
    const { gl } = this;
    const texture = this.texture();
    if (tile.pixels instanceof Uint16Array) {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, tile.width, tile.height, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, tile.pixels);
    } else {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, tile.width, tile.height, 0, gl.RED, gl.FLOAT, tile.pixels);
    }
    this.textures.set(tile, texture);
    return texture;
  }

  private texture(): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    return texture;
  }

  private showColours(display: Display): void {
    if (this.shownColours === display.colours) return;
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.colours);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colourTable(display.colours));
    this.shownColours = display.colours;
  }

  private made(source: string): Program {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, source],
    ] as const) {
      const shader = gl.createShader(kind);
      if (shader === null) throw new Error("The graphics card is lost.");
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) {
      throw new Error(`The graphics card cannot draw images: ${gl.getProgramInfoLog(program) ?? ""}`);
    }
    const at = (name: string) => gl.getUniformLocation(program, name);
    return {
      program,
      places: {
        place: at("place"),
        toClip: at("toClip"),
        pixels: at("pixels"),
        colours: at("colours"),
        coding: at("coding"),
        limits: at("limits"),
        stretch: at("stretch"),
      },
    };
  }
}
