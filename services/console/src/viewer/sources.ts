/** The sources of an image's own catalogue, drawn in a few milliseconds also if there are ten thousand. */
import { analysed, type ImageName } from "../api/analysis";
import { type Layer, lined, type Sheet } from "./overlay";
import type { Tiling } from "./tiling";

export interface Sources {
  /** In pixels from the lower left edge of the image. */
  x: Float64Array;
  y: Float64Array;
  /** Whether the catalogue may have more. */
  cut: boolean;
}

/** The analysis gives no more. */
const MOST = 20_000;
const RADIUS_PX = 7;
const COLOUR = "#7fe0a8";

/** Returns the sources; none where the image has no catalogue. */
export async function sourcesOf(image: ImageName, tiling: Tiling): Promise<Sources> {
  const size = tiling.levels[0] ?? { width: 1, height: 1 };
  const found = await analysed<{ x: number | null; y: number | null }[]>("source-catalog", image, { ...size, limit: MOST });
  const placed = found.filter((each): each is { x: number; y: number } => each.x !== null && each.y !== null);
  // Catalogues count pixels as FITS does.
  return {
    x: Float64Array.from(placed, (each) => each.x - 0.5),
    y: Float64Array.from(placed, (each) => each.y - 0.5),
    cut: found.length === MOST,
  };
}

export function sourcesLayer({ x, y }: Sources): Layer {
  let ring: { ratio: number; picture: OffscreenCanvas } | null = null;
  return (sheet) => {
    const { context, width, height, ratio, at } = sheet;
    if (ring === null || ring.ratio !== ratio) ring = { ratio, picture: ringOf(ratio) };
    const half = ring.picture.width / 2;
    for (let place = 0; place < x.length; place++) {
      const [left, top] = at(x[place] ?? 0, y[place] ?? 0);
      if (left < -half || top < -half || left > width + half || top > height + half) continue;
      context.drawImage(ring.picture, Math.round(left - half), Math.round(top - half));
    }
  };
}

/** Drawn once and copied: thousands of circles would take a hundred times as long. */
function ringOf(ratio: Sheet["ratio"]): OffscreenCanvas {
  const side = Math.ceil((RADIUS_PX + 3) * 2 * ratio);
  const picture = new OffscreenCanvas(side, side);
  const context = picture.getContext("2d");
  if (context !== null) lined(context, COLOUR, ratio, () => context.arc(side / 2, side / 2, RADIUS_PX * ratio, 0, 2 * Math.PI), 1.2);
  return picture;
}
