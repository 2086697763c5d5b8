/** How good frames are, measured when somebody asks (`/api/analysis/quality`), and kept while the page is open. */
import { signal } from "@preact/signals";
import { analysed } from "../api/analysis";
import type { Frame } from "../api/client";
import { problemOf } from "../words";

/** What is measured of a frame; null is what cannot be told. */
export interface Quality {
  fwhm_px: number | null;
  fwhm_arcsec: number | null;
  ellipticity: number | null;
  is_trailed: boolean;
  n_stars: number;
  sky_level: number;
  sky_noise: number;
  zero_point_mag: number | null;
  limiting_mag: number | null;
}

/** By the names of frames: what was measured, or why nothing was. */
export const qualities = signal<ReadonlyMap<string, Quality | string>>(new Map());
/** How many are still to be measured. */
export const toMeasure = signal(0);

/** One frame takes a second; who wants more chooses them. */
export const MOST_MEASURED = 100;
const AT_ONCE = 2;

/** Measures frames, those that were measured no second time; ends early when it is aborted. */
export async function measure(frames: readonly Frame[], end: AbortSignal): Promise<void> {
  const waiting = frames.map((frame) => frame.basename).filter((name) => typeof (qualities.value.get(name) ?? "") === "string");
  toMeasure.value = waiting.length;
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined && !end.aborted; name = waiting.shift()) {
      const found = await analysed<Quality>("quality", { basename: name, source: "archive" }).catch(problemOf);
      qualities.value = new Map(qualities.value).set(name, found);
      toMeasure.value = waiting.length;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  toMeasure.value = 0;
}

export interface QualityColumn {
  title: string;
  /** What frames are sorted by; null for none. */
  value: (quality: Quality) => number | null;
  text: (quality: Quality) => string;
}

const shown = (value: number | null, digits: number, unit = "") => (value === null ? "" : `${value.toFixed(digits)}${unit}`);

export const QUALITY_COLUMNS: readonly QualityColumn[] = [
  {
    title: "FWHM",
    value: (quality) => quality.fwhm_arcsec ?? quality.fwhm_px,
    text: (quality) => (quality.fwhm_arcsec === null ? shown(quality.fwhm_px, 1, " px") : shown(quality.fwhm_arcsec, 2, "″")),
  },
  { title: "Ellipticity", value: (quality) => quality.ellipticity, text: (quality) => `${shown(quality.ellipticity, 2)}${quality.is_trailed ? " trailed" : ""}` },
  { title: "Stars", value: (quality) => quality.n_stars, text: (quality) => String(quality.n_stars) },
  { title: "Sky", value: (quality) => quality.sky_level, text: (quality) => shown(quality.sky_level, 1) },
  { title: "Zero point", value: (quality) => quality.zero_point_mag, text: (quality) => shown(quality.zero_point_mag, 2) },
  { title: "5σ limit", value: (quality) => quality.limiting_mag, text: (quality) => shown(quality.limiting_mag, 2) },
];

/** Returns frames by what was measured; those of which nothing is known come last either way. */
export function sortedBy(frames: readonly Frame[], column: QualityColumn, ascending: boolean, known: ReadonlyMap<string, Quality | string>): Frame[] {
  const valueOf = (frame: Frame) => {
    const quality = known.get(frame.basename);
    return quality === undefined || typeof quality === "string" ? null : column.value(quality);
  };
  return frames
    .map((frame) => ({ frame, value: valueOf(frame) }))
    .sort((one, other) => {
      if (one.value === null || other.value === null) return Number(one.value === null) - Number(other.value === null);
      return ascending ? one.value - other.value : other.value - one.value;
    })
    .map(({ frame }) => frame);
}
