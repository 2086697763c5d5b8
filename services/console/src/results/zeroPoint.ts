/** The zero point that the comparison stars of a light curve agree on. */
import type { Series } from "../parts/plot";
import { isObject, type JsonObject, median, numberOr, placeOf, rowsOf, type SkyPlace, textOr } from "./reading";

export interface ComparisonStar {
  name: string;
  catalogue: number;
  instrumental: number;
  /** From frame to frame, mag. */
  scatter: number | null;
  residual: number;
  place: SkyPlace | null;
}

export interface ZeroPoint {
  /** Median of catalogue less instrumental magnitudes, and 1.4826 times the median distance from it. */
  mag: number;
  scatter: number;
  stars: ComparisonStar[];
  rows: JsonObject[];
}

/** Standard deviations in a median absolute deviation, of a normal distribution. */
const SIGMA_PER_MAD = 1.4826;

/** Returns the comparison stars in an output, null if there are fewer than two. */
export function zeroPointOf(output: unknown): ZeroPoint | null {
  if (!isObject(output)) return null;
  const rows = rowsOf(output["selected_comparison_stars"]);
  const pairs = rows.flatMap((row) => {
    const [catalogue, instrumental] = [numberOr(row["reference_magnitude"]), numberOr(row["measured_instrumental_magnitude"])];
    return catalogue === null || instrumental === null ? [] : [{ row, catalogue, instrumental }];
  });
  const mag = median(pairs.map(({ catalogue, instrumental }) => catalogue - instrumental));
  if (mag === null || pairs.length < 2) return null;
  const stars = pairs.map(({ row, catalogue, instrumental }): ComparisonStar => ({
    name: textOr(row["candidate_id"]) ?? "star",
    catalogue,
    instrumental,
    scatter: numberOr(row["variability_score"]),
    residual: catalogue - instrumental - mag,
    place: placeOf(row["ra_deg"], row["dec_deg"]),
  }));
  const scatter = SIGMA_PER_MAD * (median(stars.map((star) => Math.abs(star.residual))) ?? 0);
  // Each frame's flux of each star would be a table in every cell.
  return { mag, scatter, stars, rows: rows.map(({ source_catalog_by_frame: _, ...row }) => row) };
}

/** Returns catalogue against instrumental magnitudes with the line of the zero point, and what is left of them. */
export function zeroPointSeries({ mag, stars }: ZeroPoint): { fit: Series[]; left: Series[] } {
  const instrumental = stars.map((star) => star.instrumental);
  const ends = [Math.min(...instrumental), Math.max(...instrumental)];
  const catalogue = stars.map((star) => star.catalogue);
  const reach = [Math.min(...catalogue), Math.max(...catalogue)];
  return {
    fit: [
      { label: "comparison stars", colour: "--plot-1", size: 7, x: instrumental, y: catalogue },
      { label: "zero point", colour: "--plot-2", line: true, x: ends, y: ends.map((end) => end + mag) },
    ],
    left: [
      { label: "residuals, with the scatter from frame to frame", colour: "--plot-1", size: 7, x: catalogue, y: stars.map((star) => star.residual), error: stars.map((star) => star.scatter) },
      { label: "zero", colour: "--plot-2", line: true, x: reach, y: [0, 0] },
    ],
  };
}

export const comparisonSaid = (star: ComparisonStar): string[] => [
  star.name,
  `catalogue ${star.catalogue.toFixed(3)} mag, instrumental ${star.instrumental.toFixed(3)} mag`,
  `residual ${star.residual.toFixed(3)} mag${star.scatter === null ? "" : `, scatter ${star.scatter.toFixed(3)} mag`}`,
];
