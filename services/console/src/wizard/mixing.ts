/** Images added up in their colours, as the operation Color Image does it, but for aligning them. */
import type { ChannelImage } from "./channelImage";

export interface Layer extends ChannelImage {
  r: number;
  g: number;
  b: number;
}

/** The display curve of the server's pictures (`datalab.astro.display.stretch`). */
const GAMMA = 2.5;
const FULL = 255;

const CURVE = Uint8Array.from({ length: FULL + 1 }, (_, level) => Math.floor((FULL + 1) * (level / (FULL + 1)) ** (1 / GAMMA)));

/** Returns the picture of some layers in the size of the first, the top row first; null without layers. */
export function mixed(layers: readonly Layer[]): ImageData | null {
  const [first] = layers;
  if (first === undefined) return null;
  const { width, height } = first;
  const sums = new Float32Array(3 * width * height);
  for (const layer of layers) add(layer, sums, width, height);
  const picture = new ImageData(width, height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = 3 * ((height - 1 - row) * width + column);
      const to = 4 * (row * width + column);
      for (let part = 0; part < 3; part++) picture.data[to + part] = CURVE[Math.min(Math.round(sums[from + part] ?? 0), FULL)] ?? 0;
      picture.data[to + 3] = FULL;
    }
  }
  return picture;
}

function add({ values, width, height, r, g, b, black, white }: Layer, sums: Float32Array, columns: number, rows: number): void {
  const range = white - black;
  for (let row = 0; row < Math.min(height, rows); row++) {
    for (let column = 0; column < Math.min(width, columns); column++) {
      const value = values[row * width + column] ?? NaN;
      if (!(value > black)) continue;
      const light = range > 0 ? Math.min((value - black) / range, 1) : 1;
      const to = 3 * (row * columns + column);
      sums[to]! += light * r;
      sums[to + 1]! += light * g;
      sums[to + 2]! += light * b;
    }
  }
}
