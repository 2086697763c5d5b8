/** How each of several images is shown. */
import type { ColourMap, Display, Stretch } from "../viewer/stretch";
import type { Tiling } from "../viewer/tiling";

export const LIMITS = ["zscale", "99 %", "99.8 %"] as const;
export type Limits = (typeof LIMITS)[number];

export interface Showing {
  limits: Limits;
  /** Whether all images have the limits of the first, so that brightness can be compared; else each its own. */
  same: boolean;
  stretch: Stretch;
  colours: ColourMap;
}

export function displaysOf(tilings: readonly Tiling[], reference: Tiling, { limits, same, stretch, colours }: Showing): Display[] {
  return tilings.map((tiling) => {
    const [low, high] = limitsOf(same ? reference : tiling, limits);
    return { low, high, stretch, colours };
  });
}

function limitsOf({ zscale, percentiles }: Tiling, limits: Limits): [number, number] {
  const [below, above] = limits === "99 %" ? ["1", "99"] : ["0.1", "99.9"];
  const [low, high] = limits === "zscale" ? zscale : [percentiles[below] ?? zscale[0], percentiles[above] ?? zscale[1]];
  return low < high ? [low, high] : [low, low + 1]; // an image of one value only
}
