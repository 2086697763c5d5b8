import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { problemOf } from "../words";
import { drawMarkers, drawSeries } from "./drawing";
import { inOrder, type Marker, nearest, type Place, type Range, ranges, type Series, tickTexts, ticks } from "./plot";
import { pngOf, save, saveText } from "./save";
import { svgOf } from "./svg";

export type { Marker, Series } from "./plot";

interface ChartProps {
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  markers?: readonly Marker[];
  /** Magnitudes: the brighter, the higher. */
  yDown?: boolean;
  height?: number;
  /** What the horizontal axis shows if that is not what the points span. */
  across?: Range;
  /** Of files that are saved, without ending. */
  name?: string;
  /** The heading of pictures that are saved. */
  title?: string;
  /** The numbers as CSV. */
  table?: () => string;
  /** What is to be said of a point. */
  describe?: (series: number, place: number) => readonly string[];
  /** Called with series and place of the point nearest to a click, or where somebody presses Enter. */
  clicked?: (series: number, place: number) => void;
  /** Called with where somebody clicks on the horizontal axis, and how far from there is meant as well. */
  clickedAt?: (x: number, reach: number) => void;
}

/** How near to the pointer a point has to be, in pixels. */
const NEAR_PX = 14;
/** A pointer that moved further has dragged. */
const CLICK_PX = 4;
/** So long it is waited for a second click, which shows all and opens nothing. */
const DOUBLE_CLICK_MS = 250;
const ZOOM = 1.6;
const FILE_WIDTH = 900;
const NO_MARKERS: readonly Marker[] = [];
const HINT = "Arrow keys go from point to point, Enter opens one, plus and minus zoom, 0 shows all.";

/** Points, with error bars or joined by lines. Dragging zooms; a double click, 0 and a button show all again. */
export function Chart(props: ChartProps) {
  const { xLabel, yLabel, series, markers = NO_MARKERS, yDown = false, height = 320, name = "chart", table } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const shown = useRef(props);
  shown.current = props;
  const zoomed = useRef(false);
  const [said, setSaid] = useState<{ lines: readonly string[]; left: number; top: number; right: boolean } | null>(null);
  const [problem, setProblem] = useState("");
  const [scheme, setScheme] = useState(0);
  const at = useRef<number | null>(null);

  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setScheme((number) => number + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);

  // With the page, not after it: a key that is pressed meanwhile would be forgotten.
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = plotIn(element, { xLabel, yLabel, yDown, height, shown, zoomed });
    chart.current = made;
    let opening: ReturnType<typeof setTimeout> | undefined;
    let pressed = { left: 0, top: 0 };
    const press = (event: MouseEvent) => (pressed = { left: event.clientX, top: event.clientY });
    const click = (event: MouseEvent) => {
      if (Math.hypot(event.clientX - pressed.left, event.clientY - pressed.top) > CLICK_PX) return;
      const [left, top] = inside(made, event);
      const { clicked, clickedAt, series: now } = shown.current;
      const found = nearest(now, pixels(made), left, top, NEAR_PX);
      clearTimeout(opening);
      if (found !== null && clicked !== undefined) opening = setTimeout(() => clicked(...found), DOUBLE_CLICK_MS);
      else clickedAt?.(made.posToVal(left, "x"), Math.abs(made.posToVal(left + NEAR_PX, "x") - made.posToVal(left, "x")));
    };
    const move = (event: MouseEvent) => {
      const [left, top] = inside(made, event);
      point(nearest(shown.current.series, pixels(made), left, top, NEAR_PX));
    };
    const leave = () => setSaid(null);
    const twice = () => {
      clearTimeout(opening);
      zoomed.current = false; // uPlot shows all
    };
    made.over.addEventListener("mousedown", press);
    made.over.addEventListener("click", click);
    made.over.addEventListener("mousemove", move);
    made.over.addEventListener("mouseleave", leave);
    made.over.addEventListener("dblclick", twice);
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    return () => {
      clearTimeout(opening);
      sized.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [xLabel, yLabel, yDown, height, series.length, scheme]);

  // Other numbers on the same axes: where somebody looks closely, they go on looking.
  useLayoutEffect(() => {
    at.current = null;
    setSaid(null);
    chart.current?.setData(dataOf(series), !zoomed.current);
    if (zoomed.current) chart.current?.redraw();
  }, [series, markers]);

  /** Says what is to be said of a point, beside it. */
  function point(found: Place | null) {
    const made = chart.current;
    const { describe: words, series: now } = shown.current;
    const [x, y] = found === null ? [null, null] : [now[found[0]]?.x[found[1]], now[found[0]]?.y[found[1]]];
    if (made === null || words === undefined || found === null || x == null || y == null) {
      setSaid(null);
      return;
    }
    const [left, top] = pixels(made)(x, y);
    const { offsetLeft, offsetTop, clientWidth } = made.over;
    setSaid({ lines: words(...found), left: left + offsetLeft, top: top + offsetTop, right: left > clientWidth / 2 });
  }

  function show(x: Range, y: Range) {
    const made = chart.current;
    if (made === null) return;
    made.batch(() => {
      made.setScale("x", { min: x[0], max: x[1] });
      made.setScale("y", { min: y[0], max: y[1] });
    });
    zoomed.current = true;
  }

  function showAll() {
    zoomed.current = false;
    const all = whole(props);
    show(all.x, all.y);
    zoomed.current = false;
  }

  function zoom(factor: number) {
    const made = chart.current;
    if (made === null) return;
    const point = at.current === null ? undefined : inOrder(series)[at.current];
    const around = (key: "x" | "y", middle: number | null | undefined): Range => {
      const [least, most] = rangeOf(made, key);
      const half = (most - least) / 2 / factor;
      const centre = middle ?? (least + most) / 2;
      return [centre - half, centre + half];
    };
    show(around("x", point && series[point[0]]?.x[point[1]]), around("y", point && series[point[0]]?.y[point[1]]));
  }

  /** Goes to the next point by `step`, or to the one of this number. */
  function go(step: number, from: number | null) {
    const made = chart.current;
    const places = inOrder(series);
    if (made === null || places.length === 0) return;
    const number = Math.max(0, Math.min(places.length - 1, from === null ? 0 : from + step));
    at.current = number;
    const found = places[number];
    if (found === undefined) return;
    const [x, y] = [series[found[0]]?.x[found[1]] ?? 0, series[found[0]]?.y[found[1]] ?? 0];
    show(moved(rangeOf(made, "x"), x), moved(rangeOf(made, "y"), y));
    point(found);
  }

  function pressed(event: KeyboardEvent) {
    const last = inOrder(series).length - 1;
    const found = at.current === null ? undefined : inOrder(series)[at.current];
    const keys: Record<string, () => void> = {
      ArrowRight: () => go(1, at.current),
      ArrowLeft: () => go(-1, at.current),
      Home: () => go(0, 0),
      End: () => go(0, last),
      Enter: () => found && props.clicked?.(...found),
      "+": () => zoom(ZOOM),
      "=": () => zoom(ZOOM),
      "-": () => zoom(1 / ZOOM),
      "0": showAll,
      Escape: () => setSaid(null),
    };
    const done = keys[event.key];
    if (done === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    done();
  }

  function svg(): string {
    const made = chart.current;
    const all = whole(props);
    const [x, y] = made === null ? [all.x, all.y] : [rangeOf(made, "x"), rangeOf(made, "y")];
    return svgOf(
      { xLabel, yLabel, yDown, series, markers },
      { title: props.title ?? name, width: FILE_WIDTH, height: height + 140, x, y, colour: (ink) => colourOf(document.body, ink, "light") },
    );
  }

  async function savePng() {
    try {
      save(`${fileName(name)}.png`, await pngOf(svg()));
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  const points = series.map((each) => `${each.label}: ${each.x.length}`).join(", ");
  return (
    <figure class="chart">
      <div
        class="plot"
        ref={place}
        tabIndex={0}
        role="application"
        aria-roledescription="chart"
        aria-label={`${name}: ${yLabel} against ${xLabel}; ${points}. ${HINT}`}
        onKeyDown={pressed}
      />
      <p class={`said${said?.right ? " to-left" : ""}`} role="status" hidden={said === null} style={said === null ? {} : { left: `${said.left}px`, top: `${said.top}px` }}>
        {said?.lines.map((line, number) => <span key={number}>{line}</span>)}
      </p>
      {series.length > 1 && (
        <ul class="legend">
          {series.map((each) => (
            <li key={each.label}>
              <span class={`mark ${each.line ? "line" : (each.mark ?? "dot")}`} style={{ color: each.colour.startsWith("--") ? `var(${each.colour})` : each.colour }} />
              {each.label}
            </li>
          ))}
        </ul>
      )}
      <div class="choice tools">
        <button type="button" aria-label="Zoom in" onClick={() => zoom(ZOOM)}>+</button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(1 / ZOOM)}>−</button>
        <button type="button" onClick={showAll}>Show all</button>
        <span class="grow" />
        {table !== undefined && <button type="button" onClick={() => saveText(`${fileName(name)}.csv`, "text/csv", table())}>Save CSV</button>}
        <button type="button" onClick={() => void savePng()}>Save PNG</button>
        <button type="button" onClick={() => saveText(`${fileName(name)}.svg`, "image/svg+xml", svg())}>Save SVG</button>
      </div>
      {problem !== "" && <p class="problem" role="alert">{problem}</p>}
    </figure>
  );
}

/** Returns a name that every system takes for a file's. */
export const fileName = (name: string) => name.replace(/[^\p{L}\p{N}.+-]+/gu, "-").replace(/^-+|-+$/g, "").toLowerCase() || "chart";

interface PlotOptions {
  xLabel: string;
  yLabel: string;
  yDown: boolean;
  height: number;
  shown: { current: ChartProps };
  zoomed: { current: boolean };
}

function plotIn(element: HTMLElement, { xLabel, yLabel, yDown, height, shown, zoomed }: PlotOptions): uPlot {
  const { fontFamily } = getComputedStyle(document.documentElement);
  const [ink, grid] = [colourOf(element, "--faint"), colourOf(element, "--line")];
  const { series } = shown.current;
  const colours = series.map((each) => colourOf(element, each.colour));
  const axis = (label: string, room: number): uPlot.Axis => ({
    label,
    stroke: ink,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid },
    font: `12px ${fontFamily}`,
    labelFont: `13px ${fontFamily}`,
    splits: (plot, number, least, most) => ticks([least, most], Math.floor((number === 0 ? plot.bbox.width : plot.bbox.height) / devicePixelRatio / room)),
    values: (_, values) => tickTexts(values),
  });
  zoomed.current = false;
  return new uPlot(
    {
      mode: 2,
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { drag: { x: true, y: true, dist: CLICK_PX }, points: { show: false } },
      scales: {
        x: { time: false, range: () => whole(shown.current).x },
        y: { dir: yDown ? -1 : 1, range: () => whole(shown.current).y },
      },
      axes: [axis(xLabel, 80), { ...axis(yLabel, 40), size: 72 }],
      series: [
        {},
        ...series.map((each, place): uPlot.Series => ({
          label: each.label,
          paths: (plot, number) => {
            const now = shown.current.series[number - 1];
            if (now !== undefined) drawSeries(plot, now, colours[place] ?? ink);
            return null;
          },
        })),
      ],
      hooks: {
        draw: [(plot: uPlot) => drawMarkers(plot, shown.current.markers ?? [], ink, fontFamily)],
        setSelect: [(plot: uPlot) => (zoomed.current ||= plot.select.width > 0)],
      },
    } as uPlot.Options,
    dataOf(series),
    element,
  );
}

function whole({ series, across }: ChartProps): { x: Range; y: Range } {
  const all = ranges(series);
  return { x: across ?? all.x, y: all.y };
}

const dataOf = (series: readonly Series[]) => [null, ...series.map((each) => [each.x, each.y])] as unknown as uPlot.AlignedData;

const pixels = (plot: uPlot) => (x: number, y: number): [number, number] => [plot.valToPos(x, "x"), plot.valToPos(y, "y")];

const rangeOf = (plot: uPlot, key: "x" | "y"): Range => [plot.scales[key]?.min ?? 0, plot.scales[key]?.max ?? 1];

/** Returns a range moved as far as it must be to have a value in sight. */
function moved([least, most]: Range, value: number): Range {
  if (value >= least && value <= most) return [least, most];
  const half = (most - least) / 2;
  return [value - half, value + half];
}

function inside(plot: uPlot, event: MouseEvent): [number, number] {
  const box = plot.over.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Returns a colour of the style sheet as canvases and files take it; on paper it is that of light screens. */
function colourOf(element: HTMLElement, name: string, scheme: "light" | "" = ""): string {
  if (!name.startsWith("--")) return name;
  const probe = document.createElement("span");
  if (scheme !== "") probe.style.colorScheme = scheme;
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
