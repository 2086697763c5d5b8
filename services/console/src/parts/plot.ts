/** What a chart shows, without how: the same is drawn on screens and written into files. */

export interface Series {
  label: string;
  /** Of the style sheet (`--plot-1`), so that it suits dark and light. */
  colour: string;
  x: readonly (number | null)[];
  y: readonly (number | null)[];
  /** Of each y: drawn as a bar. */
  error?: readonly (number | null)[];
  line?: boolean;
  /** A ring is a point with something to be said; an arrow a limit, beyond which the value lies. */
  mark?: "dot" | "ring" | "arrow";
  size?: number;
}

/** A place on the horizontal axis that has a name. */
export interface Marker {
  x: number;
  label: string;
}

export interface Plot {
  xLabel: string;
  yLabel: string;
  /** Magnitudes: the brighter, the higher. */
  yDown: boolean;
  series: readonly Series[];
  markers: readonly Marker[];
}

export type Range = [least: number, most: number];

/** How far a scale goes beyond its values, as a part of what they span. */
const MARGIN = 0.04;

/** Returns the ends of a scale that shows all of these values. */
export function padded(least: number | null, most: number | null): Range {
  if (least === null || most === null || !Number.isFinite(least) || !Number.isFinite(most)) return [0, 1];
  const margin = (most - least) * MARGIN || Math.abs(least) * 0.01 || 1;
  return [least - margin, most + margin];
}

/** Returns ranges that show every point, and its error bar. */
export function ranges(series: readonly Series[]): { x: Range; y: Range } {
  const x = { least: Infinity, most: -Infinity };
  const y = { least: Infinity, most: -Infinity };
  const widen = (ends: typeof x, value: number) => {
    if (value < ends.least) ends.least = value;
    if (value > ends.most) ends.most = value;
  };
  for (const each of series) {
    each.x.forEach((at, place) => {
      const value = each.y[place];
      if (at == null || value == null) return;
      const error = each.error?.[place] ?? 0;
      widen(x, at);
      widen(y, value - error);
      widen(y, value + error);
    });
  }
  return { x: padded(x.least, x.most), y: padded(y.least, y.most) };
}

/** Returns round numbers within a range, `most` of them at most. */
export function ticks([least, most]: Range, count: number): number[] {
  const rough = (most - least) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9)) ?? 10);
  const first = Math.ceil(least / step - 1e-9);
  const found: number[] = [];
  for (let number = first; number * step <= most + step * 1e-9 && found.length <= 2 * count + 2; number++) {
    // As decimals, not as what sums of floats come to.
    found.push(Number((number * step).toPrecision(12)));
  }
  return found;
}

/** Returns the texts of such numbers, with the decimals that tell them apart. */
export function tickTexts(values: readonly number[]): string[] {
  const [first, second] = values;
  if (first === undefined) return [];
  const step = second === undefined ? Math.abs(first) || 1 : Math.abs(second - first);
  const largest = Math.max(...values.map(Math.abs));
  if (largest >= 1e7 || step < 1e-7) return values.map((value) => value.toExponential(3));
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  return values.map((value) => value.toFixed(decimals));
}

export type Place = [series: number, place: number];

/** Returns the point nearest to a pixel, if one is near enough; `toPixel` says where on the screen values are. */
export function nearest(
  series: readonly Series[],
  toPixel: (x: number, y: number) => [left: number, top: number],
  left: number,
  top: number,
  reach: number,
): Place | null {
  let found: Place | null = null;
  let least = reach;
  series.forEach((each, number) => {
    each.x.forEach((x, place) => {
      const y = each.y[place];
      if (x == null || y == null) return;
      const [there, high] = toPixel(x, y);
      const distance = Math.hypot(there - left, high - top);
      if (distance < least) [least, found] = [distance, [number, place]];
    });
  });
  return found;
}

/** Returns every point from left to right, to go through them by keys; lines have none. */
export function inOrder(series: readonly Series[]): Place[] {
  const places = series.flatMap((each, number) =>
    each.line === true ? [] : each.x.flatMap((x, place): Place[] => (x == null || each.y[place] == null ? [] : [[number, place]])),
  );
  const at = ([number, place]: Place) => series[number]?.x[place] ?? 0;
  return places.sort((one, other) => at(one) - at(other));
}
