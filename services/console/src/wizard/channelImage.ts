/** An image as small as it is needed to choose its colour and levels. */
import { analysed, analysedBytes, type ImageName } from "../api/analysis";
import type { Tiling } from "../viewer/tiling";
import { type LevelScale, levelScale } from "./channels";

export interface ChannelImage {
  width: number;
  height: number;
  /** Row by row, the lowest first; NaN where nothing is known. */
  values: Float32Array;
  scale: LevelScale;
  /** What the server shows as dark and as bright unless it is told otherwise. */
  black: number;
  white: number;
}

interface Zscale {
  black: number;
  white: number;
}

/** Returns an image at its smallest, which is one tile. Throws `RequestError`. */
export async function openChannelImage({ basename, source }: ImageName, signal: AbortSignal): Promise<ChannelImage> {
  const name = { basename, source };
  const [tiling, { black, white }] = await Promise.all([analysed<Tiling>("tiling", name), analysed<Zscale>("zscale", name)]);
  const level = tiling.levels.length - 1;
  const bytes = await analysedBytes("tile", name, { level, column: 0, row: 0 }, signal);
  const { width, height } = tiling.levels[level] ?? { width: 0, height: 0 };
  const values = level > 0 ? new Float32Array(bytes) : decoded(new Uint16Array(bytes), tiling);
  return { width, height, values, scale: levelScale(tiling.percentiles), black, white };
}

function decoded(codes: Uint16Array, { lowest, step, undefined_code }: Tiling): Float32Array {
  return Float32Array.from(codes, (code) => (code === undefined_code ? NaN : lowest + step * (code - 1)));
}
