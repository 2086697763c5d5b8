/** An image as small as it is needed to choose its colour and levels. */
import { analysed, type ImageName } from "../api/analysis";
import { type Tile, TileStore, valueIn } from "../viewer/tileStore";
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

/** Returns an image at its smallest, which is one tile. Throws `RequestError`, or an error in words. */
export async function openChannelImage({ basename, source }: ImageName, signal: AbortSignal): Promise<ChannelImage> {
  const name = { basename, source };
  const [tiling, { black, white }] = await Promise.all([analysed<Tiling>("tiling", name), analysed<Zscale>("zscale", name)]);
  const tile = await smallest(name, tiling, signal);
  const values = Float32Array.from(tile.pixels, (_, index) => valueIn(tile, index) ?? NaN);
  return { width: tile.width, height: tile.height, values, scale: levelScale(tiling.percentiles), black, white };
}

function smallest(name: ImageName, tiling: Tiling, signal: AbortSignal): Promise<Tile> {
  const place = { level: tiling.levels.length - 1, column: 0, row: 0 };
  return new Promise((found, refused) => {
    const store = new TileStore(name, tiling, {
      arrived: () => {
        const tile = store.has(place) ? store.get(place) : undefined;
        if (tile !== undefined) found(tile);
      },
      forgotten: () => undefined,
      failed: (problem) => refused(new Error(problem)),
    });
    signal.addEventListener("abort", () => store.close());
    store.want([place]);
  });
}
