/** Points, bars and lines on uPlot's canvas. */
import type uPlot from "uplot";
import type { Marker, Series } from "./plot";

/** Labels of neighbouring markers stand on so many heights. */
const MARKER_HEIGHTS = 3;

/** Draws all points at once: ten thousand of them, each by itself, would take as long as a film frame. */
export function drawSeries(plot: uPlot, series: Series, colour: string): void {
  const { ctx } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = ratio;
  const half = ((series.size ?? 5) / 2) * ratio;
  const bars = new Path2D();
  const marks = new Path2D();
  series.x.forEach((x, place) => {
    const y = series.y[place];
    if (x == null || y == null) return;
    const left = plot.valToPos(x, "x", true);
    const top = plot.valToPos(y, "y", true);
    if (series.line === true) {
      bars.lineTo(left, top);
      return;
    }
    const error = series.error?.[place];
    if (error != null && error > 0) {
      bars.moveTo(left, plot.valToPos(y - error, "y", true));
      bars.lineTo(left, plot.valToPos(y + error, "y", true));
    }
    mark(marks, series, left, top, half, ratio);
  });
  ctx.stroke(bars);
  if (series.mark === "ring") {
    ctx.lineWidth = 1.5 * ratio;
    ctx.stroke(marks);
  } else {
    ctx.fill(marks);
  }
  ctx.restore();
}

function mark(path: Path2D, series: Series, left: number, top: number, half: number, ratio: number): void {
  if (series.mark === "arrow") {
    // Limits are of light: what is beyond is fainter, lower on the page.
    path.moveTo(left - half - ratio, top);
    path.lineTo(left + half + ratio, top);
    path.lineTo(left, top + 3 * half + 2 * ratio);
    path.closePath();
    return;
  }
  path.moveTo(left + half, top);
  path.arc(left, top, half, 0, 2 * Math.PI);
}

export function drawMarkers(plot: uPlot, markers: readonly Marker[], colour: string, font: string): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  ctx.font = `${11 * ratio}px ${font}`;
  ctx.textAlign = "left";
  markers.forEach((marker, place) => {
    const left = plot.valToPos(marker.x, "x", true);
    if (left < bbox.left || left > bbox.left + bbox.width) return;
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(marker.label, left + 4 * ratio, bbox.top + (12 + 13 * (place % MARKER_HEIGHTS)) * ratio);
  });
  ctx.restore();
}
