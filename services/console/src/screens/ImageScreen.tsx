import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { analysed, type ImageName } from "../api/analysis";
import { answered, api, type Frame } from "../api/client";
import { ImageView } from "../viewer/ImageView";
import { compass, type LinearWcs, pixelScale, scaleBar, sexagesimal, skyAt } from "../viewer/sky";
import { COLOUR_MAPS, type ColourMap, type Display, STRETCHES, type Stretch } from "../viewer/stretch";
import type { Tiling } from "../viewer/tiling";
import { problemOf } from "../words";

/** Pixels of the screen that a key moves the image by. */
const STEP = 64;

/** One image: a frame, or an output of an operation. */
export function ImageScreen({ source, basename }: { source: string; basename: string }) {
  const image: ImageName = { basename, source: source === "datalab" ? "datalab" : "archive" };
  const [tiling, setTiling] = useState<Tiling | null>(null);
  const [problem, setProblem] = useState("");
  const [wcs, setWcs] = useState<LinearWcs | null>(null);

  useEffect(() => {
    setTiling(null);
    setWcs(null);
    setProblem("");
    let gone = false;
    analysed<Tiling>("tiling", image)
      .then((told) => {
        if (gone) return;
        setTiling(told);
        if (told.has_wcs) void analysed<LinearWcs>("wcs", image).then((found) => !gone && setWcs(found), () => undefined);
      })
      .catch((error: unknown) => !gone && setProblem(problemOf(error)));
    return () => {
      gone = true;
    };
  }, [basename, source]);

  return (
    <section class="image" aria-label={`Image ${basename}`}>
      <p class="path"><Link href="/">Night</Link> / <strong>{basename}</strong></p>
      {problem !== "" ? (
        <p class="problem" role="alert">{problem}</p>
      ) : tiling === null ? (
        <p class="waiting" role="status">Opening the image …</p>
      ) : (
        <Viewer key={`${source} ${basename}`} image={image} tiling={tiling} wcs={wcs} />
      )}
      {image.source === "archive" && <FrameFacts basename={basename} />}
    </section>
  );
}

function Viewer({ image, tiling, wcs }: { image: ImageName; tiling: Tiling; wcs: LinearWcs | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useRef<ImageView | null>(null);
  const [display, setDisplay] = useState<Display>({
    low: tiling.zscale[0],
    high: tiling.zscale[1],
    stretch: "linear",
    colours: "grey",
  });
  const [problem, setProblem] = useState("");
  const [cursor, setCursor] = useState<{ x: number; y: number } | null>(null);
  const [, setDrawn] = useState(0);

  useEffect(() => {
    const place = canvas.current;
    if (place === null) return;
    let view: ImageView;
    try {
      view = new ImageView(place, image, tiling, display, () => setDrawn((count) => count + 1));
    } catch (error) {
      setProblem(problemOf(error));
      return;
    }
    shown.current = view;
    const sized = new ResizeObserver(() => view.fit());
    sized.observe(place);
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY / 400), ...fromMiddle(place, event));
    };
    place.addEventListener("wheel", wheel, { passive: false });
    return () => {
      place.removeEventListener("wheel", wheel);
      sized.disconnect();
      view.close();
      shown.current = null;
    };
  }, [tiling]);

  useEffect(() => shown.current?.show(display), [display]);

  const fingers = useRef(new Map<number, { x: number; y: number }>());

  function pointerMoved(event: PointerEvent) {
    const place = canvas.current;
    const view = shown.current;
    if (place === null || view === null) return;
    const ratio = place.width / place.clientWidth;
    const [atX, atY] = fromMiddle(place, event);
    const before = fingers.current.get(event.pointerId);
    if (before === undefined) {
      setCursor(view.pixelAt(atX, atY));
      return;
    }
    const others = [...fingers.current].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const other = others[0];
    if (other === undefined) {
      view.pan((event.clientX - before.x) * ratio, (before.y - event.clientY) * ratio);
    } else {
      const apart = (at: { x: number; y: number }) => Math.max(1, Math.hypot(at.x - other.x, at.y - other.y));
      view.zoom(apart({ x: event.clientX, y: event.clientY }) / apart(before), atX, atY);
    }
    fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  function keyPressed(event: KeyboardEvent) {
    const view = shown.current;
    if (view === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => view.pan(STEP, 0),
      ArrowRight: () => view.pan(-STEP, 0),
      ArrowUp: () => view.pan(0, -STEP),
      ArrowDown: () => view.pan(0, STEP),
      "+": () => view.zoom(1.5),
      "=": () => view.zoom(1.5),
      "-": () => view.zoom(1 / 1.5),
      "0": () => view.showAll(),
      "1": () => view.showPixels(),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  const view = shown.current;
  return (
    <>
      <DisplayControls tiling={tiling} display={display} change={setDisplay}>
        <button type="button" onClick={() => view?.zoom(1.5)} aria-label="Zoom in">+</button>
        <button type="button" onClick={() => view?.zoom(1 / 1.5)} aria-label="Zoom out">−</button>
        <button type="button" onClick={() => view?.showAll()}>Fit</button>
        <button type="button" onClick={() => view?.showPixels()}>1 : 1</button>
      </DisplayControls>
      <div class="stage">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={`${image.basename}; arrows move it, + and − zoom, 0 shows all of it, 1 its pixels`}
          onKeyDown={keyPressed}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
          }}
          onPointerUp={(event) => fingers.current.delete(event.pointerId)}
          onPointerCancel={(event) => fingers.current.delete(event.pointerId)}
          onPointerMove={pointerMoved}
          onPointerLeave={() => setCursor(null)}
          onDblClick={(event) => view?.zoom(2, ...fromMiddle(event.currentTarget, event))}
        />
        {view !== null && wcs !== null && <SkyMarks view={view} wcs={wcs} />}
      </div>
      <Readout view={view} wcs={wcs} cursor={cursor} tiling={tiling} />
      <p class="problem" role="alert">{view?.problem ?? ""}</p>
    </>
  );
}

/** Returns a place of the canvas in its pixels, from the middle, to the right and up. */
function fromMiddle(canvas: HTMLCanvasElement, event: { clientX: number; clientY: number }): [number, number] {
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  return [(event.clientX - box.left - box.width / 2) * ratio, (box.top + box.height / 2 - event.clientY) * ratio];
}

interface ControlProps {
  tiling: Tiling;
  display: Display;
  change: (display: Display) => void;
  children: preact.ComponentChildren;
}

function DisplayControls({ tiling, display, change, children }: ControlProps) {
  const percentiles = Object.values(tiling.percentiles);
  const least = Math.min(tiling.zscale[0], ...percentiles);
  const most = Math.max(tiling.zscale[1], ...percentiles);
  const step = (most - least) / 1000 || 1;
  const presets: Record<string, [number, number]> = {
    zscale: tiling.zscale,
    "99 %": [tiling.percentiles["1"] ?? least, tiling.percentiles["99"] ?? most],
    "99.8 %": [tiling.percentiles["0.1"] ?? least, tiling.percentiles["99.9"] ?? most],
  };
  const limit = (which: "low" | "high", value: number) => {
    const changed = { ...display, [which]: value };
    if (changed.low < changed.high) change(changed);
  };
  return (
    <div class="controls" role="group" aria-label="Display">
      {Object.entries(presets).map(([name, [low, high]]) => (
        <button key={name} type="button" aria-pressed={display.low === low && display.high === high} onClick={() => change({ ...display, low, high })}>
          {name}
        </button>
      ))}
      <label>
        Black
        <input type="range" min={least} max={most} step={step} value={display.low} onInput={(event) => limit("low", event.currentTarget.valueAsNumber)} />
        <output>{shortly(display.low)}</output>
      </label>
      <label>
        White
        <input type="range" min={least} max={most} step={step} value={display.high} onInput={(event) => limit("high", event.currentTarget.valueAsNumber)} />
        <output>{shortly(display.high)}</output>
      </label>
      <label>
        Stretch
        <select value={display.stretch} onChange={(event) => change({ ...display, stretch: event.currentTarget.value as Stretch })}>
          {STRETCHES.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      <label>
        Colours
        <select value={display.colours} onChange={(event) => change({ ...display, colours: event.currentTarget.value as ColourMap })}>
          {COLOUR_MAPS.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      {children}
    </div>
  );
}

interface ReadoutProps {
  view: ImageView | null;
  wcs: LinearWcs | null;
  cursor: { x: number; y: number } | null;
  tiling: Tiling;
}

/** Where the pointer is, and what is there; of the middle of the view where there is no pointer. */
function Readout({ view, wcs, cursor, tiling }: ReadoutProps) {
  const size = tiling.levels[0];
  const at = cursor ?? (view === null ? null : { x: view.view.x, y: view.view.y });
  if (view === null || at === null || size === undefined) return <p class="readout">&nbsp;</p>;
  const inside = at.x >= 0 && at.y >= 0 && at.x < size.width && at.y < size.height;
  const found = inside ? view.valueAt(at.x, at.y) : null;
  const value = found === null ? "–" : Number.isNaN(found.value) ? "undefined" : `${found.exact ? "" : "≈ "}${shortly(found.value)}`;
  const sky = wcs === null ? "" : sexagesimal(...(Object.values(skyAt(wcs, at.x, at.y)) as [number, number]));
  return (
    <p class="readout">
      <span>{cursor === null ? "middle" : "pointer"}</span>
      <span>x {(at.x + 0.5).toFixed(1)}, y {(at.y + 0.5).toFixed(1)}</span>
      <span>value {value}</span>
      <span>{sky}</span>
      <span>{(view.view.scale * 100).toPrecision(3)} %</span>
    </p>
  );
}

/** North, east, and a length on the sky. */
function SkyMarks({ view, wcs }: { view: ImageView; wcs: LinearWcs }) {
  const ratio = window.devicePixelRatio || 1;
  const { north, east } = compass(wcs);
  const bar = scaleBar((pixelScale(wcs) * ratio) / view.view.scale, 800);
  const arm = 30;
  const end = ([x, y]: [number, number], length: number) => ({ x: 50 + x * length, y: 50 - y * length });
  const arrow = (direction: [number, number], name: string) => (
    <g key={name}>
      <line x1={50} y1={50} x2={end(direction, arm).x} y2={end(direction, arm).y} />
      <text x={end(direction, arm + 11).x} y={end(direction, arm + 11).y + 4} text-anchor="middle">{name}</text>
    </g>
  );
  return (
    <div class="marks" aria-hidden="true">
      <svg width={100} height={100} viewBox="0 0 100 100">{[arrow(north, "N"), arrow(east, "E")]}</svg>
      <svg class="bar-of-length" width={bar.lengthPx + 2} height={26}>
        <line x1={1} y1={20} x2={bar.lengthPx + 1} y2={20} />
        <text x={2} y={13}>{bar.label}</text>
      </svg>
    </div>
  );
}

function FrameFacts({ basename }: { basename: string }) {
  const [frame, setFrame] = useState<Frame | null>(null);
  useEffect(() => {
    answered(api.GET("/api/frames", { params: { query: { basename_exact: basename } } }))
      .then((page) => setFrame(page.results[0] ?? null))
      .catch(() => setFrame(null));
  }, [basename]);
  if (frame === null) return null;
  const facts: [string, string | null][] = [
    ["Target", frame.target_name],
    ["Filter", frame.primary_optical_element],
    ["Exposure", frame.exposure_time === null ? null : `${frame.exposure_time} s`],
    ["Begun", frame.observation_date],
    ["Site", frame.site_id],
    ["Telescope", frame.telescope_id],
    ["Camera", frame.instrument_id],
    ["Kind", frame.configuration_type],
    ["Proposal", frame.proposal_id],
  ];
  return (
    <>
      <dl class="facts">
        {facts.filter(([, fact]) => fact).map(([name, fact]) => <div key={name}><dt>{name}</dt><dd>{fact}</dd></div>)}
      </dl>
      <p><a href={frame.url} download>Download {frame.filename}</a></p>
    </>
  );
}

function shortly(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e7 || size < 1e-3) ? value.toExponential(3) : String(Number(value.toPrecision(7)));
}
