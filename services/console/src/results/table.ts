/** Tables: what a chart shows in numbers, for screen readers and for other programs. */
import { isObject, type JsonObject } from "./reading";

export type Cell = string | number | boolean | null;

export interface Column {
  name: string;
  unit?: string;
  cells: readonly Cell[];
}

export type Table = readonly Column[];

/** What columns of results are called, and their units; times with their scale. */
const KNOWN: Record<string, [name: string, unit?: string]> = {
  julian_date: ["JD_UTC_mid", "d"],
  bjd_tdb: ["BJD_TDB_mid", "d"],
  mjd: ["MJD_UTC", "d"],
  observation_date: ["start_UTC"],
  date_obs: ["start_ISO"],
  mag: ["magnitude", "mag"],
  magerr: ["magnitude_error", "mag"],
  target_magnitude_limit: ["magnitude_limit", "mag"],
  target_calibrated_apparent_magnitude: ["calibrated_magnitude", "mag"],
  target_calibrated_apparent_magnitude_uncertainty: ["calibrated_magnitude_error", "mag"],
  target_ra_deg: ["target_RA_ICRS", "deg"],
  target_dec_deg: ["target_Dec_ICRS", "deg"],
  target_centroid_x: ["target_x", "px"],
  target_centroid_y: ["target_y", "px"],
  target_net_source_counts: ["target_counts", "adu"],
  target_source_uncertainty: ["target_counts_error", "adu"],
  comparison_ensemble_total_counts: ["ensemble_counts", "adu"],
  comparison_ensemble_uncertainty: ["ensemble_counts_error", "adu"],
  target_differential_flux: ["relative_flux"],
  target_differential_flux_uncertainty: ["relative_flux_error"],
  target_signal_to_noise: ["signal_to_noise"],
  fits_path: ["frame"],
  ra: ["RA_ICRS", "deg"],
  dec: ["Dec_ICRS", "deg"],
  ra_deg: ["RA_ICRS", "deg"],
  dec_deg: ["Dec_ICRS", "deg"],
  color: ["colour", "mag"],
  color_err: ["colour_error", "mag"],
  g_mag: ["Gaia_G", "mag"],
  pmra: ["pm_RA_cosDec", "mas/yr"],
  pmra_err: ["pm_RA_cosDec_error", "mas/yr"],
  pmdec: ["pm_Dec", "mas/yr"],
  pmdec_err: ["pm_Dec_error", "mas/yr"],
  parallax: ["parallax", "mas"],
  parallax_err: ["parallax_error", "mas"],
  distance: ["distance", "pc"],
  distance_lo: ["distance_low", "pc"],
  distance_hi: ["distance_high", "pc"],
  reference_magnitude: ["catalogue_magnitude", "mag"],
  measured_instrumental_magnitude: ["instrumental_magnitude", "mag"],
  variability_score: ["scatter", "mag"],
  isolation_arcsec: ["isolation", "arcsec"],
  target_separation_px: ["target_separation", "px"],
  period: ["period", "d"],
};

/** Returns rows as a table: every column that one of them has. What is no plain value is a text. */
export function tableOf(rows: readonly JsonObject[]): Table {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return keys.map((key): Column => {
    const [name, unit] = KNOWN[key] ?? [key];
    return { name, ...(unit === undefined ? {} : { unit }), cells: rows.map((row) => cellOf(row[key])) };
  });
}

function cellOf(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((each) => !isObject(each) && !Array.isArray(each))) return value.join("; ");
  return JSON.stringify(value);
}

export const headingOf = ({ name, unit }: Column): string => (unit === undefined ? name : `${name} [${unit}]`);

export const lengthOf = (table: Table): number => Math.max(0, ...table.map((column) => column.cells.length));

/** Returns a table as CSV (RFC 4180). */
export function csv(table: Table): string {
  const rows = Array.from({ length: lengthOf(table) }, (_, place) => table.map((column) => quoted(column.cells[place])).join(","));
  return [table.map((column) => quoted(headingOf(column))).join(","), ...rows, ""].join("\r\n");
}

function quoted(value: Cell | undefined): string {
  if (value === null || value === undefined) return "";
  // Spreadsheets would compute a text that begins like a formula.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
