/** How values become brightness: computed for each pixel by the graphics processor, and here for histograms and tests. */
import type { Tiling } from "./tiling";

export const STRETCHES = ["linear", "sqrt", "asinh", "log"] as const;
export type Stretch = (typeof STRETCHES)[number];
export const COLOUR_MAPS = ["grey", "inverted", "viridis", "inferno", "heat"] as const;
export type ColourMap = (typeof COLOUR_MAPS)[number];

export interface Display {
  low: number;
  high: number;
  stretch: Stretch;
  colours: ColourMap;
}

/** Returns how an image is shown at first. */
export function displayOf(tiling: Tiling): Display {
  return { low: tiling.zscale[0], high: tiling.zscale[1], stretch: "linear", colours: "grey" };
}

/** Returns limits to choose from: what so many of the pixels have, the others as many on either side. */
export function presetsOf({ zscale, percentiles }: Tiling): Record<string, [number, number]> {
  const presets: Record<string, [number, number]> = { zscale };
  for (const [name, low, high] of [["90 %", "5", "95"], ["98 %", "1", "99"], ["99.8 %", "0.1", "99.9"]] as const) {
    const [black, white] = [percentiles[low], percentiles[high]];
    if (black !== undefined && white !== undefined && black < white) presets[name] = [black, white];
  }
  return presets;
}

/** How strongly `asinh` and `log` bend; as in SAOImage DS9. */
export const ASINH_SOFTNESS = 0.1;
export const LOG_EXPONENT = 1000;

/** Returns the brightness of a value, 0 to 1. */
export function brightness(value: number, display: Display): number {
  const part = Math.min(Math.max((value - display.low) / (display.high - display.low), 0), 1);
  switch (display.stretch) {
    case "linear":
      return part;
    case "sqrt":
      return Math.sqrt(part);
    case "asinh":
      return Math.asinh(part / ASINH_SOFTNESS) / Math.asinh(1 / ASINH_SOFTNESS);
    case "log":
      return Math.log(LOG_EXPONENT * part + 1) / Math.log(LOG_EXPONENT + 1);
  }
}

type Colour = [number, number, number];
/** Colours at even distances; between them they are mixed. Viridis and inferno: Smith and van der Walt, CC0. */
const SCALES: Record<ColourMap, Colour[]> = {
  grey: [[0, 0, 0], [255, 255, 255]],
  inverted: [[255, 255, 255], [0, 0, 0]],
  viridis: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
  inferno: [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]],
  heat: [[0, 0, 0], [128, 0, 0], [255, 80, 0], [255, 200, 60], [255, 255, 255]],
};

/** Returns 256 colours, RGBA. */
export function colourTable(colours: ColourMap): Uint8Array {
  const scale = SCALES[colours];
  const table = new Uint8Array(256 * 4);
  for (let index = 0; index < 256; index++) {
    const place = (index / 255) * (scale.length - 1);
    const first = Math.min(Math.floor(place), scale.length - 2);
    const part = place - first;
    for (let channel = 0; channel < 3; channel++) {
      const from = scale[first]?.[channel] ?? 0;
      const to = scale[first + 1]?.[channel] ?? 0;
      table[4 * index + channel] = Math.round(from + part * (to - from));
    }
    table[4 * index + 3] = 255;
  }
  return table;
}
