import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Series {
  label: string;
  colour: string;
  x: readonly (number | null)[];
  y: readonly (number | null)[];
  /** Of each y: drawn as a bar. */
  error?: readonly (number | null)[];
  line?: boolean;
  size?: number;
}

interface ChartProps {
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  /** Magnitudes grow downwards. */
  yDown?: boolean;
  height?: number;
  /** Called with series and place of the point nearest to a click. */
  clicked?: (series: number, place: number) => void;
}

/** How near to a click a point has to be, in pixels. */
const NEAR_PX = 14;

/** Points, with error bars or joined by lines. Dragging zooms, a double click shows all again. */
export function Chart({ xLabel, yLabel, series, yDown = false, height = 320, clicked }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const style = getComputedStyle(document.documentElement);
    const ink = resolved(element, "--faint");
    const grid = resolved(element, "--line");
    const reach = Math.max(0, ...series.flatMap((each) => (each.error ?? []).filter((error) => error !== null)));
    const axis = (label: string): uPlot.Axis => ({ label, stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid }, font: `12px ${style.fontFamily}`, labelFont: `13px ${style.fontFamily}` });
    const made = new uPlot(
      {
        mode: 2,
        width: element.clientWidth,
        height,
        legend: { show: series.length > 1 },
        cursor: { drag: { x: true, y: true } },
        scales: {
          x: { time: false, range: (_, least, most) => padded(least, most, 0) },
          y: { dir: yDown ? -1 : 1, range: (_, least, most) => padded(least, most, reach) },
        },
        axes: [axis(xLabel), { ...axis(yLabel), size: 72 }],
        series: [{}, ...series.map((each): uPlot.Series => ({ label: each.label, stroke: each.colour, paths: (plot, number) => drawn(plot, number, each) }))],
      } as uPlot.Options,
      [null, ...series.map((each) => [each.x, each.y])] as unknown as uPlot.AlignedData,
      element,
    );
    chart.current = made;
    const click = (event: MouseEvent) => {
      if (clicked === undefined) return;
      const box = made.over.getBoundingClientRect();
      const found = nearest(made, series, event.clientX - box.left, event.clientY - box.top);
      if (found !== null) clicked(...found);
    };
    made.over.addEventListener("click", click);
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [series, xLabel, yLabel, yDown, height]);

  return <div class="chart" ref={place} role="img" aria-label={`${yLabel} against ${xLabel}: ${series.map((each) => `${each.y.length} points of ${each.label}`).join(", ")}`} />;
}

/** Returns a colour of the style sheet as canvases take it. */
function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** Returns the ends of a scale: a little beyond the values, and as far as their error bars reach. */
function padded(least: number | null, most: number | null, reach: number): [number, number] {
  if (least === null || most === null) return [0, 1];
  const margin = reach + (most - least) * 0.05 || Math.abs(least) * 0.01 || 1;
  return [least - margin, most + margin];
}

function drawn(plot: uPlot, number: number, series: Series): null {
  const { ctx } = plot;
  const ratio = devicePixelRatio || 1;
  const size = (series.size ?? 5) * ratio;
  const at = (x: number, y: number): [number, number] => [plot.valToPos(x, "x", true), plot.valToPos(y, "y", true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = series.colour;
  ctx.lineWidth = ratio;
  const [xs, ys] = plot.data[number] as unknown as [readonly (number | null)[], readonly (number | null)[]];
  if (series.line === true) ctx.beginPath();
  for (let place = 0; place < xs.length; place++) {
    const x = xs[place];
    const y = ys[place];
    if (x == null || y == null) continue;
    const [left, top] = at(x, y);
    if (series.line === true) {
      ctx.lineTo(left, top);
      continue;
    }
    const error = series.error?.[place];
    if (error != null && error > 0) {
      ctx.beginPath();
      ctx.moveTo(left, at(x, y - error)[1]);
      ctx.lineTo(left, at(x, y + error)[1]);
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.arc(left, top, size / 2, 0, 2 * Math.PI);
    ctx.fill();
  }
  if (series.line === true) ctx.stroke();
  ctx.restore();
  return null;
}

function nearest(plot: uPlot, series: readonly Series[], left: number, top: number): [number, number] | null {
  let found: [number, number] | null = null;
  let least = NEAR_PX;
  series.forEach((each, number) =>
    each.x.forEach((x, place) => {
      const y = each.y[place];
      if (x == null || y == null) return;
      const distance = Math.hypot(plot.valToPos(x, "x") - left, plot.valToPos(y, "y") - top);
      if (distance < least) [least, found] = [distance, [number, place]];
    }),
  );
  return found;
}
