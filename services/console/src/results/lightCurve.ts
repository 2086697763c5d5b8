/** Light curves, by time and by phase. */
import type { Series } from "../parts/plot";
import { isObject, type JsonObject, numberOr, placeOf, rowsOf, shortly, type SkyPlace, textOr, textsOf } from "./reading";
import { type Table, tableOf } from "./table";

const MJD_ZERO = 2_400_000.5;

export interface CurvePoint {
  /** Julian dates of the middle of the exposure, days. */
  jdUtc: number;
  bjdTdb: number | null;
  mag: number | null;
  error: number | null;
  /** What it is fainter than where it has no magnitude. */
  limit: number | null;
  /** The name of its frame, and where on it the star is. */
  frame: string | null;
  place: SkyPlace | null;
  notes: readonly string[];
}

export interface LightCurve {
  target: string | null;
  filter: string | null;
  points: CurvePoint[];
  rows: JsonObject[];
  hasBjd: boolean;
}

/** Returns the light curve in an output, null if it is none. */
export function lightCurveOf(output: unknown): LightCurve | null {
  if (!isObject(output) || !Array.isArray(output["light_curve"])) return null;
  const source = isObject(output["source"]) ? output["source"] : {};
  const rows = rowsOf(output["light_curve"])
    .filter((row) => numberOr(row["julian_date"]) !== null)
    .sort((one, other) => Number(one["julian_date"]) - Number(other["julian_date"]));
  if (rows.length === 0) return null;
  const points = rows.map((row): CurvePoint => {
    const mag = numberOr(row["mag"]);
    return {
      jdUtc: Number(row["julian_date"]),
      bjdTdb: numberOr(row["bjd_tdb"]),
      mag,
      error: numberOr(row["magerr"]),
      limit: mag === null ? numberOr(row["target_magnitude_limit"]) : null,
      // The telescope may stand before the name.
      frame: textOr(row["fits_path"])?.split("/").at(-1) ?? null,
      place: placeOf(row["target_ra_deg"], row["target_dec_deg"]) ?? placeOf(source["ra"], source["dec"]),
      notes: textsOf(row["notes"]),
    };
  });
  const filter = textOr(output["filter"]);
  return {
    target: textOr(source["name"]),
    filter: filter === "None" ? null : filter,
    points,
    rows,
    hasBjd: points.every((point) => point.bjdTdb !== null),
  };
}

export type TimeScale = "jdUtc" | "bjdTdb";

export const SCALES: Record<TimeScale, string> = { jdUtc: "JD (UTC)", bjdTdb: "BJD (TDB)" };

export const timesOf = (curve: LightCurve, scale: TimeScale): number[] =>
  curve.points.map((point) => (scale === "bjdTdb" ? (point.bjdTdb ?? point.jdUtc) : point.jdUtc));

/** What a period is folded with. */
export interface Fold {
  days: number;
  epoch: number;
}

/** Returns the phase of a time, from 0 to below 1. */
export function phaseOf(time: number, { days, epoch }: Fold): number {
  const turns = (time - epoch) / days;
  const phase = turns - Math.floor(turns);
  return phase < 1 ? phase : 0; // a turn less the least there is rounds to 1
}

/** Which points of a chart's series are which of a light curve. */
export interface Drawn {
  series: Series[];
  places: number[][];
}

/** Returns what a chart shows of a light curve; by phase each point twice, so that what happens around 0 is seen. */
export function drawn(curve: LightCurve, x: readonly number[], cycles: 1 | 2): Drawn {
  const kinds: { label: string; colour: string; mark: "dot" | "ring" | "arrow"; holds: (point: CurvePoint) => boolean }[] = [
    { label: "measured", colour: "--plot-1", mark: "dot", holds: (point) => point.mag !== null && point.notes.length === 0 },
    { label: "measured, with a note", colour: "--plot-1", mark: "ring", holds: (point) => point.mag !== null && point.notes.length > 0 },
    { label: "not seen: fainter than this", colour: "--plot-2", mark: "arrow", holds: (point) => point.limit !== null },
  ];
  const found: Drawn = { series: [], places: [] };
  for (const { label, colour, mark, holds } of kinds) {
    const once = curve.points.flatMap((point, place) => (holds(point) ? [place] : []));
    if (once.length === 0) continue;
    const all = cycles === 2 ? [...once, ...once] : once;
    const at = (each: number) => curve.points[each];
    found.series.push({
      label,
      colour,
      mark,
      size: 6,
      x: all.map((each, number) => (x[each] ?? 0) + (number < once.length ? 0 : 1)),
      y: all.map((each) => at(each)?.mag ?? at(each)?.limit ?? null),
      error: all.map((each) => at(each)?.error ?? null),
    });
    found.places.push(all);
  }
  return found;
}

/** Returns what there is to say of a point. */
export function said(curve: LightCurve, place: number, scale: TimeScale): string[] {
  const point = curve.points[place];
  if (point === undefined) return [];
  const time = scale === "bjdTdb" ? point.bjdTdb : point.jdUtc;
  const bright =
    point.mag !== null
      ? `${point.mag.toFixed(3)} mag${point.error === null ? "" : ` ± ${point.error.toFixed(3)}`}`
      : `fainter than ${point.limit?.toFixed(2) ?? "?"} mag`;
  return [bright, `${SCALES[scale]} ${time?.toFixed(5) ?? "unknown"}`, ...(point.frame === null ? [] : [point.frame]), ...point.notes];
}

/** Returns all columns, with further times, and phases where the curve is folded. */
export function curveTable(curve: LightCurve, fold: Fold | null, times: readonly number[]): Table {
  const ordered = curve.rows.map(({ julian_date, bjd_tdb, mag, magerr, ...row }) => ({ julian_date, bjd_tdb, mag, magerr, ...row }));
  const [first, ...others] = tableOf(ordered);
  if (first === undefined) return [];
  const mjd = { name: "MJD_UTC_mid", unit: "d", cells: curve.points.map((point) => Number((point.jdUtc - MJD_ZERO).toFixed(9))) };
  const phases = fold === null ? [] : [{ name: `phase_at_${fold.days}_d`, cells: times.map((time) => Number(phaseOf(time, fold).toFixed(9))) }];
  return [first, mjd, ...others, ...phases];
}

/** Returns what is wrong with a period, or its days; null for none. */
export function readPeriod(text: string): { days: number | null; problem: string } {
  const trimmed = text.trim();
  if (trimmed === "") return { days: null, problem: "" };
  const days = Number(trimmed);
  if (Number.isFinite(days) && days >= LEAST_PERIOD && days <= MOST_PERIOD) return { days, problem: "" };
  const hint = /^\d+,\d+$/.test(trimmed) ? ` Write ${trimmed.replace(",", ".")} with a point.` : "";
  return { days: null, problem: `A period is a number of days above 0, such as 0.5213.${hint}` };
}

/** A second, and the years of the oldest plates: with others phases would be of rounding. */
const LEAST_PERIOD = 1e-5;
const MOST_PERIOD = 1e5;

/** Returns what is wrong with an epoch, or it; the first point's time for none. */
export function readEpoch(text: string, first: number): { epoch: number; problem: string } {
  const trimmed = text.trim();
  if (trimmed === "") return { epoch: first, problem: "" };
  const epoch = Number(trimmed);
  if (Number.isFinite(epoch) && Math.abs(epoch) < 1e8) return { epoch, problem: "" };
  return { epoch: first, problem: "An epoch is a Julian date, such as 2461114.25." };
}

/** Positions of a slider to each side. */
export const SLIDER_STEPS = 500;
/** How many widths of a peak, P² / T, a slider reaches to each side; a period is right within a part of one. */
const SLIDER_PEAKS = 5;

/** Returns the period at a position of the slider around another one; `span` is that of the times, in days. */
export function slid(around: number, step: number, span: number): string {
  const reach = Math.min(around / 2, (SLIDER_PEAKS * around ** 2) / Math.max(span, around));
  const days = around + (reach * step) / SLIDER_STEPS;
  const decimals = Math.min(12, Math.max(0, Math.ceil(-Math.log10(reach / SLIDER_STEPS)) + 1));
  return String(Number(days.toFixed(decimals)));
}

export const periodText = (days: number) => shortly(days, 9);
