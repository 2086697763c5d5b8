/** Points, bars and lines on uPlot's canvas. */
import type uPlot from "uplot";
import type { Marker, Series } from "./plot";

/** Labels of neighbouring markers stand on so many heights. */
const MARKER_HEIGHTS = 3;

/** Series with more points have squares: canvases fill them without a path. */
const MOST_CIRCLES = 2000;

/** Draws each mark by itself: one path of ten thousand circles takes minutes, as each is held against all others. */
export function drawSeries(plot: uPlot, series: Series, colour: string): void {
  const { ctx } = plot;
  const ratio = devicePixelRatio || 1;
  const half = ((series.size ?? 5) / 2) * ratio;
  const squares = series.x.length > MOST_CIRCLES && (series.mark ?? "dot") === "dot";
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = series.mark === "ring" ? 1.5 * ratio : ratio;
  if (series.line === true) ctx.beginPath();
  series.x.forEach((x, place) => {
    const y = series.y[place];
    if (x == null || y == null) return;
    const left = plot.valToPos(x, "x", true);
    const top = plot.valToPos(y, "y", true);
    if (series.line === true) {
      ctx.lineTo(left, top);
      return;
    }
    const error = series.error?.[place];
    if (error != null && error > 0) {
      const [one, other] = [plot.valToPos(y - error, "y", true), plot.valToPos(y + error, "y", true)];
      ctx.fillRect(left - ratio / 2, Math.min(one, other), ratio, Math.abs(other - one));
    }
    if (squares) {
      ctx.fillRect(left - half, top - half, 2 * half, 2 * half);
      return;
    }
    ctx.beginPath();
    mark(ctx, series, left, top, half, ratio);
    if (series.mark === "ring") ctx.stroke();
    else ctx.fill();
  });
  if (series.line === true) ctx.stroke();
  ctx.restore();
}

function mark(ctx: CanvasRenderingContext2D, series: Series, left: number, top: number, half: number, ratio: number): void {
  if (series.mark === "arrow") {
    // Limits are of light: what is beyond is fainter, lower on the page.
    ctx.moveTo(left - half - ratio, top);
    ctx.lineTo(left + half + ratio, top);
    ctx.lineTo(left, top + 3 * half + 2 * ratio);
    ctx.closePath();
    return;
  }
  ctx.arc(left, top, half, 0, 2 * Math.PI);
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
