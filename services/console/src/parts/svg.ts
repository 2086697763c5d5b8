/** Plots as SVG: lines, circles and texts, written from the numbers. */
import { type Plot, type Range, type Series, tickTexts, ticks } from "./plot";

export interface SvgOptions {
  title: string;
  width: number;
  height: number;
  x: Range;
  y: Range;
  /** A colour of the style sheet as others read it. */
  colour: (name: string) => string;
}

const LEFT = 84;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 56;
const LEGEND_LINE = 18;
/** Labels of neighbouring markers stand on so many heights. */
const MARKER_HEIGHTS = 3;

/** Returns a plot as an SVG file. */
export function svgOf(plot: Plot, { title, width, height, x, y, colour }: SvgOptions): string {
  const named = plot.series.length > 1;
  const bottom = height - BOTTOM;
  const full = height + (named ? LEGEND_LINE * plot.series.length : 0);
  const across = (value: number) => LEFT + ((value - x[0]) / (x[1] - x[0])) * (width - LEFT - RIGHT);
  const up = (value: number) => {
    const part = (value - y[0]) / (y[1] - y[0]);
    return TOP + (plot.yDown ? part : 1 - part) * (bottom - TOP);
  };
  const text = colour("--text");
  const faint = colour("--faint");
  const line = colour("--line");
  const columns = ticks(x, Math.floor(width / 90));
  const rows = ticks(y, Math.floor(height / 50));
  const parts: string[] = [
    `<rect width="${width}" height="${full}" fill="${colour("--card")}"/>`,
    label(width / 2, 24, title, text, "middle", 16),
  ];
  tickTexts(columns).forEach((said, place) => {
    const at = across(columns[place] ?? 0);
    parts.push(stroke(at, TOP, at, bottom, line), label(at, bottom + 18, said, faint, "middle"));
  });
  tickTexts(rows).forEach((said, place) => {
    const at = up(rows[place] ?? 0);
    parts.push(stroke(LEFT, at, width - RIGHT, at, line), label(LEFT - 8, at + 4, said, faint, "end"));
  });
  parts.push(
    `<rect x="${LEFT}" y="${TOP}" width="${width - LEFT - RIGHT}" height="${bottom - TOP}" fill="none" stroke="${faint}"/>`,
    label((LEFT + width - RIGHT) / 2, height - 14, plot.xLabel, text, "middle", 14),
    `<g transform="translate(20 ${(TOP + bottom) / 2}) rotate(-90)">${label(0, 0, plot.yLabel, text, "middle", 14)}</g>`,
    `<clipPath id="inside"><rect x="${LEFT}" y="${TOP}" width="${width - LEFT - RIGHT}" height="${bottom - TOP}"/></clipPath>`,
    `<g clip-path="url(#inside)">`,
  );
  for (const series of plot.series) parts.push(drawn(series, across, up, colour(series.colour)));
  plot.markers.forEach((marker, place) => {
    const at = across(marker.x);
    const high = TOP + 14 + 14 * (place % MARKER_HEIGHTS);
    parts.push(stroke(at, TOP, at, bottom, faint, "4 3"), label(at + 4, high, marker.label, text, "start"));
  });
  parts.push("</g>");
  if (named) {
    plot.series.forEach((series, place) => {
      const at = height + LEGEND_LINE * place;
      const ink = colour(series.colour);
      parts.push(series.line === true ? stroke(LEFT, at, LEFT + 14, at, ink) : mark(series, LEFT + 7, at, ink));
      parts.push(label(LEFT + 22, at + 4, series.label, text, "start"));
    });
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${full}" viewBox="0 0 ${width} ${full}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function drawn(series: Series, across: (x: number) => number, up: (y: number) => number, ink: string): string {
  const found: string[] = [];
  const way: string[] = [];
  series.x.forEach((x, place) => {
    const y = series.y[place];
    if (x == null || y == null) return;
    const [left, top] = [across(x), up(y)];
    if (series.line === true) {
      way.push(`${short(left)},${short(top)}`);
      return;
    }
    const error = series.error?.[place];
    if (error != null && error > 0) found.push(stroke(left, up(y - error), left, up(y + error), ink));
    found.push(mark(series, left, top, ink));
  });
  return series.line === true ? `<polyline fill="none" stroke="${ink}" points="${way.join(" ")}"/>` : found.join("\n");
}

function mark(series: Series, left: number, top: number, ink: string): string {
  const half = (series.size ?? 5) / 2;
  if (series.mark === "arrow") {
    // Limits are of light: what is beyond is fainter, lower on the page.
    const [side, tip] = [half + 1, 3 * half + 2];
    const points = [[left - side, top], [left + side, top], [left, top + tip]] as const;
    return `<polygon fill="${ink}" points="${points.map(([a, b]) => `${short(a)},${short(b)}`).join(" ")}"/>`;
  }
  const paint = series.mark === "ring" ? `fill="none" stroke="${ink}" stroke-width="1.5"` : `fill="${ink}"`;
  return `<circle cx="${short(left)}" cy="${short(top)}" r="${half}" ${paint}/>`;
}

const short = (value: number) => String(Math.round(value * 100) / 100);

function stroke(left: number, top: number, right: number, bottom: number, ink: string, dash = ""): string {
  const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
  return `<line x1="${short(left)}" y1="${short(top)}" x2="${short(right)}" y2="${short(bottom)}" stroke="${ink}"${dashes}/>`;
}

function label(left: number, top: number, said: string, ink: string, anchor: string, size = 12): string {
  return `<text x="${short(left)}" y="${short(top)}" fill="${ink}" text-anchor="${anchor}" font-size="${size}">${escaped(said)}</text>`;
}

const NAMES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (said: string) => said.replace(/[&<>"]/g, (sign) => NAMES[sign] ?? sign);
