import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { problemOf } from "../words";
import { type Deeds, listen, type Spot } from "./gestures";
import { ImageView } from "./ImageView";
import { drawLayers, type Layer, type Marker, markersLayer } from "./overlay";
import { onImage, type Pointed } from "./place";
import { Readout } from "./Readout";
import { SkyMarks } from "./SkyMarks";
import type { Display } from "./stretch";
import type { OpenedImage } from "./useImage";
import { ZoomButtons } from "./ZoomButtons";

/** Pixels of the screen that a key moves the image by. */
const STEP = 64;
/** How large the pixels of an image are at least, in CSS pixels, where somebody points at one. */
const POINTED_SCALE = 2;

interface StageProps {
  opened: OpenedImage;
  display: Display;
  /** Drawn over the image, the last one on top. */
  layers?: readonly Layer[];
  /** Shown in the middle at first, and marked. */
  pointed?: Pointed | null;
  /** What is done with clicks, and with what is drawn; without it the image only moves. */
  deeds?: Partial<Omit<Deeds, "pointed">>;
  /** What other keys do while the image has the focus. */
  keys?: Readonly<Record<string, (middle: Spot) => void>>;
  /** Whether compass and scale are shown. */
  marks?: boolean;
  /** Called when all that is seen is as sharp as it gets, for the first time. */
  sharpened?: () => void;
  /** Told what is looked at, and null when that is gone. */
  viewed?: ((view: ImageView | null) => void) | undefined;
}

const NO_LAYERS: readonly Layer[] = [];

/** One image that is moved and zoomed, with what lies over it, and the value under the pointer. */
export function Stage({ opened, display, layers = NO_LAYERS, pointed = null, deeds = {}, keys = {}, marks = true, sharpened, viewed }: StageProps) {
  const { image, tiling, wcs } = opened;
  const canvas = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<ImageView | null>(null);
  const [problem, setProblem] = useState("");
  const drawings = useSignal(0);
  const cursor = useSignal<Spot | null>(null);

  const place = useMemo(() => (pointed === null ? null : onImage(pointed, wcs)), [pointed, wcs]);
  const all = useMemo(() => (place === null ? layers : [...layers, markersLayer([place satisfies Marker])]), [layers, place]);

  const latest = useRef({ deeds, all, sharpened });
  latest.current = { deeds, all, sharpened };

  useEffect(() => {
    const [ground, glass] = [canvas.current, above.current];
    if (ground === null || glass === null) return;
    let made: ImageView;
    let wasSharp = false;
    const drawn = () => {
      drawLayers(glass, made.view, ground.width, ground.height, latest.current.all);
      drawings.value++;
      if (made.sharp && !wasSharp) {
        wasSharp = true;
        latest.current.sharpened?.();
      }
    };
    try {
      made = new ImageView(ground, image, tiling, display, drawn);
    } catch (error) {
      setProblem(problemOf(error));
      return;
    }
    setView(made);
    viewed?.(made);
    const sized = new ResizeObserver(() => made.fit());
    sized.observe(ground);
    const silent = listen(ground, made, () => ({
      draws: false,
      clicked: () => undefined,
      drawn: () => undefined,
      ...latest.current.deeds,
      pointed: (spot) => (cursor.value = spot),
    }));
    return () => {
      silent();
      sized.disconnect();
      made.close();
      setView(null);
      viewed?.(null);
    };
  }, [image.basename, image.source, tiling]);

  // With the very frame in which the slider moves.
  useLayoutEffect(() => view?.show(display), [view, display]);

  useEffect(() => {
    if (view === null || canvas.current === null || above.current === null) return;
    drawLayers(above.current, view.view, canvas.current.width, canvas.current.height, all);
  }, [view, all]);

  useEffect(() => {
    if (view !== null && place !== null && view.has(place.x, place.y)) view.centre(place.x, place.y, POINTED_SCALE * (window.devicePixelRatio || 1));
  }, [view, place]);

  function keyPressed(event: KeyboardEvent) {
    if (view === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = moves(view)[event.key] ?? keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action === undefined) return;
    event.preventDefault();
    action({ x: view.view.x, y: view.view.y });
  }

  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  const away = view !== null && place !== null && !view.has(place.x, place.y);
  return (
    <div class="staged">
      <div class="stage-frame">
        <div class="stage">
          <canvas
            ref={canvas}
            tabIndex={0}
            role="application"
            aria-label={`${image.basename}; arrows move it, + and − zoom, 0 shows all of it, 1 its pixels`}
            onKeyDown={keyPressed}
          />
        </div>
        <canvas class="glass" ref={above} aria-hidden="true" />
        {view !== null && wcs !== null && marks && <SkyMarks view={view} wcs={wcs} drawings={drawings} />}
        <ZoomButtons view={view} />
      </div>
      <Readout view={view} wcs={wcs} cursor={cursor} drawings={drawings} />
      {away && <p class="hint" role="status">The place that was asked for is outside of this image.</p>}
      {pointed !== null && "ra" in pointed && !tiling.has_wcs && (
        <p class="hint" role="status">This image has no world coordinates: where the position is on it is not known.</p>
      )}
      <TileProblem view={view} drawings={drawings} />
    </div>
  );
}

function moves(view: ImageView): Record<string, () => void> {
  return {
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
}

/** What went wrong with the tiles, as of the last drawing. */
function TileProblem({ view, drawings }: { view: ImageView | null; drawings: Signal<number> }) {
  void drawings.value;
  return <p class="problem" role="alert">{view?.problem ?? ""}</p>;
}
