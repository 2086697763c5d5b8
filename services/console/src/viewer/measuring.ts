/** Measures of the true pixels, by analyses; places are in pixels from the lower left edge of the image. */
import { analysed } from "../api/analysis";
import type { Series } from "../parts/Chart";
import type { Spot } from "./gestures";
import type { Marker } from "./overlay";
import { aroundCircle, clippedBox, clippedLine, type Stroke } from "./shapes";
import { sexagesimal } from "./sky";
import type { OpenedImage } from "./useImage";

export interface Fact {
  name: string;
  value: number | string | null;
  unit?: string;
  /** As many are shown; without them as many digits as people read. */
  decimals?: number;
}

/** A thousandth of a pixel; 4 milliarcseconds. */
const PX_DECIMALS = 3;
const DEGREE_DECIMALS = 6;

export interface Table {
  columns: string[];
  rows: (number | null)[][];
}

export interface Measure {
  facts: Fact[];
  notes: string[];
  /** What is plotted, with its numbers. */
  plot?: { xLabel: string; yLabel: string; series: Series[]; table: Table };
  markers: Marker[];
}

const OUTSIDE = "There is nothing of the image there.";

function sizeOf({ tiling }: OpenedImage): { width: number; height: number } {
  return tiling.levels[0] ?? { width: 0, height: 0 };
}

function placeFacts(x: number, y: number, sky: { ra: number | null; dec: number | null }): Fact[] {
  const facts: Fact[] = [
    { name: "x", value: x + 0.5, unit: "px", decimals: PX_DECIMALS },
    { name: "y", value: y + 0.5, unit: "px", decimals: PX_DECIMALS },
  ];
  if (sky.ra === null || sky.dec === null) return facts;
  return [
    ...facts,
    { name: "RA", value: sky.ra, unit: "°", decimals: DEGREE_DECIMALS },
    { name: "Dec", value: sky.dec, unit: "°", decimals: DEGREE_DECIMALS },
    { name: "Position", value: sexagesimal(sky.ra, sky.dec) },
  ];
}

interface LineProfile {
  line_profile: (number | null)[];
  arcsec: number | null;
  position_angle: number | null;
}

/** Returns the values along a line, about one pixel apart. */
export async function measureLine(opened: OpenedImage, stroke: Stroke): Promise<Measure> {
  const size = sizeOf(opened);
  const line = clippedLine(stroke, size);
  if (line === null) throw new Error(OUTSIDE);
  const { from, to } = line;
  // This analysis counts rows first, from pixel centres on.
  const ends = { x1: from.y - 0.5, y1: from.x - 0.5, x2: to.y - 0.5, y2: to.x - 0.5 };
  const found = await analysed<LineProfile>("line-profile", opened.image, { ...size, ...ends });
  const values = found.line_profile;
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const part = (index: number) => (values.length > 1 ? index / (values.length - 1) : 0);
  const distances = values.map((_, index) => part(index) * length);
  const defined = values.filter((value) => value !== null);
  const facts: Fact[] = [{ name: "Length", value: length, unit: "px" }];
  if (found.arcsec !== null) facts.push({ name: "Length", value: found.arcsec, unit: "″" });
  if (found.position_angle !== null) facts.push({ name: "Position angle", value: found.position_angle, unit: "°" });
  if (defined.length > 0) facts.push({ name: "Lowest", value: Math.min(...defined) }, { name: "Highest", value: Math.max(...defined) });
  const rows = values.map((value, index) => [
    distances[index] ?? null,
    from.x + 0.5 + part(index) * (to.x - from.x),
    from.y + 0.5 + part(index) * (to.y - from.y),
    value,
  ]);
  return {
    facts,
    notes: [],
    markers: [],
    plot: {
      xLabel: "Distance (px)",
      yLabel: "Value",
      series: [{ label: "profile", colour: LINE, x: distances, y: values, line: true }],
      table: { columns: ["distance_px", "x", "y", "value"], rows },
    },
  };
}

interface RadialProfile {
  x: number;
  y: number;
  ra: number | null;
  dec: number | null;
  fwhm_px: number;
  fwhm_arcsec: number | null;
  beta: number | null;
  peak: number;
  background: number;
  residual: number;
  notes: string[];
  radii_px: number[];
  values: number[];
  ring_radii_px: number[];
  ring_means: number[];
}

/** Series on dark and on light ground. */
const POINTS = "#7f9fd8";
const LINE = "#d98a1f";

/** Returns the fit of a round star near a place, and its light by distance from its centre. */
export async function measureStar(opened: OpenedImage, { x, y }: Spot): Promise<Measure> {
  const star = await analysed<RadialProfile>("radial-profile", opened.image, { ...sizeOf(opened), ...onImage(opened, x, y) });
  return {
    facts: [
      { name: "FWHM", value: star.fwhm_px, unit: "px" },
      ...(star.fwhm_arcsec === null ? [] : [{ name: "FWHM", value: star.fwhm_arcsec, unit: "″" }]),
      ...placeFacts(star.x, star.y, star),
      { name: "Peak above sky", value: star.peak },
      { name: "Sky", value: star.background },
      ...(star.beta === null ? [] : [{ name: "Moffat's β", value: star.beta }]),
      { name: "Left by the fit (rms)", value: star.residual },
    ],
    notes: star.notes,
    markers: [{ x: star.x, y: star.y, radii: [star.fwhm_px] }],
    plot: {
      xLabel: "Distance (px)",
      yLabel: "Value",
      series: [
        { label: "pixels", colour: POINTS, x: star.radii_px, y: star.values, size: 3 },
        { label: "mean of rings", colour: LINE, x: star.ring_radii_px, y: star.ring_means, line: true },
      ],
      table: { columns: ["distance_px", "value"], rows: star.radii_px.map((radius, index) => [radius, star.values[index] ?? null]) },
    },
  };
}

interface Centroid {
  x: number;
  y: number;
  ra: number | null;
  dec: number | null;
  background: number | null;
  peak: number | null;
  success: boolean;
  message: string;
}

/** Returns the centre of the light near a place. */
export async function measureCentroid(opened: OpenedImage, { x, y }: Spot): Promise<Measure> {
  const found = await analysed<Centroid>("centroiding", opened.image, { ...sizeOf(opened), ...onImage(opened, x, y) });
  if (!found.success) throw new Error(found.message);
  return {
    facts: [...placeFacts(found.x, found.y, found), { name: "Peak above sky", value: found.peak }, { name: "Sky", value: found.background }],
    notes: found.message === "" ? [] : [found.message],
    markers: [{ x: found.x, y: found.y }],
  };
}

interface Statistics {
  rows: [number, number];
  columns: [number, number];
  pixel_count: number;
  undefined_count: number;
  mean: number | null;
  median: number | null;
  standard_deviation: number | null;
  robust_sigma: number | null;
  minimum: number | null;
  maximum: number | null;
  total: number | null;
}

/** Returns what there is to say about the values in a box, from corner to corner, or in a circle, from its centre on. */
export async function measureRegion(opened: OpenedImage, stroke: Stroke, shape: "box" | "circle"): Promise<Measure> {
  const size = sizeOf(opened);
  const box = shape === "box" ? clippedBox(stroke, size) : aroundCircle(stroke);
  if (box === null) throw new Error(OUTSIDE);
  const { from, to } = box;
  const found = await analysed<Statistics>("statistics", opened.image, {
    ...size,
    x1: from.x,
    x2: to.x,
    y1: from.y,
    y2: to.y,
    shape: shape === "box" ? "rectangle" : "ellipse",
  });
  const range = ([first, end]: [number, number]) => `${first + 1} – ${end}`;
  const where: Fact[] =
    shape === "box"
      ? [{ name: "Columns", value: range(found.columns) }, { name: "Rows", value: range(found.rows) }]
      : [
          { name: "Centre x", value: stroke.from.x + 0.5, unit: "px" },
          { name: "Centre y", value: stroke.from.y + 0.5, unit: "px" },
          { name: "Radius", value: (to.x - from.x) / 2, unit: "px" },
        ];
  return {
    facts: [
      ...where,
      { name: "Pixels", value: found.pixel_count },
      { name: "Mean", value: found.mean },
      { name: "Median", value: found.median },
      { name: "Standard deviation", value: found.standard_deviation },
      { name: "Robust sigma", value: found.robust_sigma },
      { name: "Minimum", value: found.minimum },
      { name: "Maximum", value: found.maximum },
      { name: "Sum", value: found.total },
    ],
    notes: found.undefined_count > 0 ? [`${found.undefined_count} pixels have no value, and do not count.`] : [],
    markers: [],
  };
}

function onImage(opened: OpenedImage, x: number, y: number): Spot {
  const { width, height } = sizeOf(opened);
  if (x < 0 || y < 0 || x >= width || y >= height) throw new Error(OUTSIDE);
  return { x, y };
}

const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Returns facts as CSV, with all their digits. */
export function factsAsCsv(facts: readonly Fact[]): string {
  const lines = facts.map(({ name, value, unit }) => [name, value === null ? "" : String(value), unit ?? ""].map(quoted).join(","));
  return ["quantity,value,unit", ...lines, ""].join("\r\n");
}

/** Returns a table as CSV; what is undefined is empty. */
export function tableAsCsv({ columns, rows }: Table): string {
  return [columns.join(","), ...rows.map((row) => row.map((value) => value ?? "").join(",")), ""].join("\r\n");
}
