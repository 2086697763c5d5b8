/** Numbers of operations as curves, as far as they are some. */

export interface CurvePoint {
  date: number;
  mag: number | null;
  error: number | null;
  /** The name of its frame. */
  frame: string | null;
}

export interface Curve {
  points: CurvePoint[];
  period: number | null;
  frequency: number[];
  power: number[];
}

const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const numbers = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((each): each is number => number(each) !== null) : [];

/** Returns the light curve in an output, null if it is none. */
export function curveOf(output: unknown): Curve | null {
  const { light_curve, period, frequency, power } = (output ?? {}) as Record<string, unknown>;
  if (!Array.isArray(light_curve)) return null;
  const points = light_curve.flatMap((each: Record<string, unknown>): CurvePoint[] => {
    const date = number(each["julian_date"]);
    if (date === null) return [];
    const path = each["fits_path"];
    // The telescope may stand before the name.
    const frame = typeof path === "string" ? (path.split("/").at(-1) ?? null) : null;
    return [{ date, mag: number(each["mag"]), error: number(each["magerr"]), frame }];
  });
  if (points.length === 0) return null;
  return { points, period: number(period), frequency: numbers(frequency), power: numbers(power) };
}

export interface Folded {
  phase: number[];
  mag: (number | null)[];
  error: (number | null)[];
  /** Which point each of them is. */
  place: number[];
}

/** Returns points by phase, each twice, so that what happens around 0 is seen. */
export function folded(points: readonly CurvePoint[], period: number): Folded {
  const first = points[0]?.date ?? 0;
  const once = points.map((point, place) => {
    const turns = (point.date - first) / period;
    return { phase: turns - Math.floor(turns), mag: point.mag, error: point.error, place };
  });
  const twice = [...once, ...once.map((each) => ({ ...each, phase: each.phase + 1 }))];
  twice.sort((one, other) => one.phase - other.phase);
  return {
    phase: twice.map((each) => each.phase),
    mag: twice.map((each) => each.mag),
    error: twice.map((each) => each.error),
    place: twice.map((each) => each.place),
  };
}

/** Returns a table as CSV (RFC 4180). */
export function csv(columns: Record<string, readonly (string | number | null)[]>): string {
  const names = Object.keys(columns);
  const cell = (value: string | number | null | undefined) => {
    const text = value == null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const length = Math.max(0, ...names.map((name) => columns[name]?.length ?? 0));
  const rows = Array.from({ length }, (_, place) => names.map((name) => cell(columns[name]?.[place])).join(","));
  return [names.map(cell).join(","), ...rows, ""].join("\r\n");
}

export interface Diagram {
  members: [number[], number[]];
  others: [number[], number[]];
  band: string;
  colour: string;
}

/** Returns the colour-magnitude diagram in an output, null if it is none. */
export function diagramOf(output: unknown): Diagram | null {
  const { cmd, blue_filter, red_filter, mag_band } = (output ?? {}) as Record<string, unknown>;
  if (!Array.isArray(cmd)) return null;
  const members: [number[], number[]] = [[], []];
  const others: [number[], number[]] = [[], []];
  for (const row of cmd as Record<string, unknown>[]) {
    const colour = number(row["color"]);
    const mag = number(row["mag"]);
    if (colour === null || mag === null) continue;
    const kind = row["member"] === true ? members : others;
    kind[0].push(colour);
    kind[1].push(mag);
  }
  const text = (value: unknown, other: string) => (typeof value === "string" ? value : other);
  return { members, others, band: text(mag_band, "magnitude"), colour: `${text(blue_filter, "blue")} − ${text(red_filter, "red")}` };
}
