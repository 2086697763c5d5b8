/** How many pixels have which value: asked for once, looked at by whatever chooses limits. */
import { analysed, type ImageName } from "../api/analysis";
import type { Tiling } from "./tiling";

export interface Histogram {
  /** One more than counts. */
  edges: number[];
  counts: number[];
  /** Pixels beyond the edges. */
  below: number;
  above: number;
}

const BINS = 256;
/** How much beyond the limits one begins with, as a part of their distance: room to move them. */
const BEYOND = 0.15;

/** Returns the values that sliders reach: what nearly all pixels have, and a little more. */
export function reachOf(tiling: Tiling): { least: number; most: number } {
  const known = [...Object.values(tiling.percentiles), ...tiling.zscale];
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const room = (most - least) * BEYOND || Math.abs(least) * 0.01 || 1;
  return { least: least - room, most: most + room };
}

/** Returns the histogram of every pixel between two values. */
export function histogramOf(image: ImageName, least: number, most: number): Promise<Histogram> {
  return analysed<Histogram>("histogram", image, { bins: BINS, minimum: least, maximum: most });
}

/** Returns the outline of a histogram in a box of `width` x `height`, heights as logarithms: the sky has all the pixels. */
export function outline({ counts }: Histogram, width: number, height: number): string {
  const highest = Math.log1p(Math.max(1, ...counts));
  const at = (index: number) => ((index * width) / counts.length).toFixed(2);
  const up = (count: number) => (height * (1 - Math.log1p(count) / highest)).toFixed(2);
  const steps = counts.map((count, index) => `L${at(index)} ${up(count)}L${at(index + 1)} ${up(count)}`);
  return `M0 ${height}${steps.join("")}L${width} ${height}Z`;
}
