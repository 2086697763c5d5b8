/** The channels of a colour image: which image is shown in which colour, and between which levels. */
import type { InputImage } from "../api/sessions";

export interface Channel {
  /** The key of its image, empty until one is chosen. */
  image: string;
  /** As `#rrggbb`. */
  colour: string;
  /** What is dark and what is bright, in units of the image; null leaves it to the server. */
  low: number | null;
  high: number | null;
}

/** Which filters each colour is for, those first that are nearest to it. */
const COLOURS: [string, string[]][] = [
  ["#ff0000", ["r", "rp", "ip", "i", "ha", "h-alpha", "halpha", "zs", "z"]],
  ["#00ff00", ["v", "gp", "g", "oiii"]],
  ["#0000ff", ["b", "up", "u", "sii"]],
];
/** Around each filter, in nanometres: to tell the longer of two waves that would have the same colour. */
const WAVES: [RegExp, number][] = [
  [/^(u|up)$/i, 355],
  [/^b$/i, 435],
  [/^(g|gp)$/i, 475],
  [/^oiii$/i, 501],
  [/^v$/i, 550],
  [/^(r|rp)$/i, 625],
  [/^(h-?alpha|ha)$/i, 656],
  [/^sii$/i, 672],
  [/^(i|ip)$/i, 765],
  [/^(z|zs)$/i, 870],
];

export const EMPTY: Channel = { image: "", colour: "#ffffff", low: null, high: null };

const waveOf = (filter: string | null) => WAVES.find(([filters]) => filter !== null && filters.test(filter))?.[1];

/**
 * Returns a channel for each of three filters of the images, red, green, blue from the longest wave to the shortest.
 * Of filters nobody knows nothing is said: those channels have still to be chosen.
 */
export function byFilter(images: readonly InputImage[], keyOf: (image: InputImage) => string): Channel[] {
  const first = new Map<string, InputImage>();
  for (const image of images) if (image.filter !== null && waveOf(image.filter) !== undefined && !first.has(image.filter)) first.set(image.filter, image);
  const longestFirst = [...first.values()].sort((one, other) => (waveOf(other.filter) ?? 0) - (waveOf(one.filter) ?? 0));
  const chosen =
    longestFirst.length === 3
      ? longestFirst.map((image, place) => ({ image, colour: COLOURS[place]?.[0] ?? EMPTY.colour }))
      : COLOURS.flatMap(([colour, filters]) => {
          const found = filters.flatMap((filter) => longestFirst.filter((each) => each.filter?.toLowerCase() === filter));
          return found[0] === undefined ? [] : [{ image: found[0], colour }];
        });
  const channels = chosen.map(({ image, colour }) => ({ ...EMPTY, image: keyOf(image), colour }));
  return channels.length > 0 ? channels : [{ ...EMPTY, colour: "#ff0000" }];
}

/** Returns the parts of `#rrggbb`, each 0 to 255. */
export function rgbOf(colour: string): { r: number; g: number; b: number } {
  const part = (from: number) => Number.parseInt(colour.slice(from, from + 2), 16);
  return { r: part(1), g: part(3), b: part(5) };
}

/** Returns `#rrggbb`; of parts that are none, white. */
export function colourOf(parts: unknown): string {
  const { r, g, b } = (parts ?? {}) as Record<string, unknown>;
  const all = [r, g, b].map((part) => (typeof part === "number" && part >= 0 && part <= 255 ? Math.round(part) : 255));
  return `#${all.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** A slider's scale: of each step the level below which so many pixels are, so that every part of it shows something. */
export interface LevelScale {
  levels: number[];
}

export const STEPS_OF_SLIDER = 1000;

/** Returns the scale for an image, by the levels below which some per cent of its pixels are. */
export function levelScale(percentiles: Readonly<Record<string, number>>): LevelScale {
  const ordered = Object.entries(percentiles)
    .map(([share, level]): [number, number] => [Number(share), level])
    .sort(([one], [other]) => one - other)
    .map(([, level]) => level);
  return { levels: ordered.filter((level, place) => place === 0 || level > (ordered[place - 1] ?? -Infinity)) };
}

/** Returns the level at a place of the slider, 0 to `STEPS_OF_SLIDER`. */
export function levelAt({ levels }: LevelScale, place: number): number {
  const at = (Math.min(Math.max(place / STEPS_OF_SLIDER, 0), 1) * (levels.length - 1)) || 0;
  const below = Math.floor(at);
  const from = levels[below] ?? 0;
  const to = levels[below + 1] ?? from;
  return from + (to - from) * (at - below);
}

/** Returns the place of the slider for a level; levels beyond its ends are at them. */
export function placeOf({ levels }: LevelScale, level: number): number {
  const after = levels.findIndex((each) => each > level);
  if (after === 0) return 0;
  if (after === -1 || levels.length < 2) return levels.length < 2 ? 0 : STEPS_OF_SLIDER;
  const from = levels[after - 1] ?? 0;
  const to = levels[after] ?? from;
  return (STEPS_OF_SLIDER * (after - 1 + (level - from) / (to - from))) / (levels.length - 1);
}
