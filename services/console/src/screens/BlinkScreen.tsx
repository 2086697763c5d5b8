import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { blinkAddress, imagesOfAddress, MOST_IMAGES } from "../blink/addresses";
import { BlinkView, type Lie } from "../blink/BlinkView";
import { displaysOf, LIMITS, type Limits, type Showing } from "../blink/displays";
import { type Opened, type Opening, openImages } from "../blink/openImages";
import { nextReady, play } from "../blink/player";
import type { ImageName } from "../api/analysis";
import { type InputImage, imagesOf, readSession } from "../api/sessions";
import { Picture } from "../parts/Picture";
import { listen } from "../viewer/gestures";
import { COLOUR_MAPS, type ColourMap, STRETCHES, type Stretch } from "../viewer/stretch";
import { ZoomButtons } from "../viewer/ZoomButtons";
import { problemOf } from "../words";
import "../blink/blink.css";

/** Turns a second: not more than three at first, as flashes are dangerous to some (WCAG 2.2, 2.3.1). */
const FIRST_SPEED = 2;
const FASTEST = 30;
/** Pixels of the screen that a key moves the images by. */
const STEP = 64;
/** Positions that the linear part of coordinates misses by less are as good as right, in pixels. */
const SMALL_DISTORTION_PX = 1;

/** Images of one part of the sky, shown one after the other in the same place. */
export function BlinkScreen({ names }: { names: string }) {
  const images = useMemo(() => imagesOfAddress(names), [names]);
  const [count, setCount] = useState(0);
  const [openings, setOpenings] = useState<Opening[] | null>(null);

  useEffect(() => {
    const gone = new AbortController();
    setOpenings(null);
    setCount(0);
    void openImages(images, setCount, gone.signal).then((found) => !gone.signal.aborted && setOpenings(found));
    return () => gone.abort();
  }, [images]);

  const opened = openings?.flatMap((each) => ("opened" in each ? [each.opened] : [])) ?? [];
  const refused = openings?.flatMap((each) => ("problem" in each ? [each] : [])) ?? [];
  return (
    <section class="blink" aria-label="Blink">
      <p class="path"><Link href="/">Night</Link> / <strong>Blink of {images.length} images</strong></p>
      {images.length === 0 && <p>No image was chosen. Choose some of a <Link href="/">night</Link> or of a <Link href="/sessions">session</Link>.</p>}
      {images.length > 0 && openings === null && (
        <p class="waiting" role="status">
          Opening {count} of {images.length} … <progress max={images.length} value={count} aria-label="Images opened" />
        </p>
      )}
      {refused.length > 0 && (
        <ul class="notes" role="alert">
          {refused.map(({ image, problem }) => <li key={image.basename}>{image.basename} is left out: {problem}</li>)}
        </ul>
      )}
      {opened.length > 0 && <Blinker key={names} opened={opened} />}
    </section>
  );
}

function Blinker({ opened }: { opened: readonly Opened[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<BlinkView | null>(null);
  const [problem, setProblem] = useState("");
  const [showing, setShowing] = useState<Showing>({ limits: "zscale", same: true, stretch: "linear", colours: "grey" });
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(FIRST_SPEED);
  const drawings = useSignal(0);
  const reference = useMemo(() => opened.find(({ wcs }) => wcs !== null) ?? opened[0], [opened]);
  const displays = useMemo(
    () => (reference === undefined ? [] : displaysOf(opened.map(({ tiling }) => tiling), reference.tiling, showing)),
    [opened, reference, showing],
  );

  useEffect(() => {
    const place = canvas.current;
    if (place === null) return;
    let made: BlinkView;
    try {
      made = new BlinkView(place, opened, displays, () => drawings.value++);
    } catch (error) {
      setProblem(problemOf(error));
      return;
    }
    setView(made);
    const sized = new ResizeObserver(() => made.fit());
    sized.observe(place);
    const silent = listen(place, made, () => ({ draws: false, pointed: () => undefined, clicked: () => undefined, drawn: () => undefined }));
    return () => {
      silent();
      sized.disconnect();
      made.close();
      setView(null);
    };
  }, [opened]);

  useLayoutEffect(() => view?.show(displays), [view, displays]);

  const pace = useRef(speed);
  pace.current = speed;
  useEffect(() => {
    if (view === null || !playing) return;
    return play(() => pace.current, () => view.turnTo(nextReady(view.current, view.ready, 1)));
  }, [view, playing]);

  function turn(direction: 1 | -1) {
    if (view === null) return;
    setPlaying(false);
    view.turnTo((view.current + direction + opened.length) % opened.length);
  }

  useEffect(() => {
    if (view === null) return;
    const pressed = (event: KeyboardEvent) => {
      const on = event.target;
      const inForm = on instanceof HTMLInputElement || on instanceof HTMLSelectElement;
      if (inForm || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
      if (event.key === " " && (on instanceof HTMLButtonElement || on instanceof HTMLAnchorElement)) return;
      const action = event.shiftKey ? pans(view)[event.key] : undefined;
      const other = action ?? {
        " ": () => setPlaying((before) => !before),
        ArrowLeft: () => turn(-1),
        ArrowRight: () => turn(1),
        ArrowUp: () => setSpeed((before) => Math.min(FASTEST, before + 1)),
        ArrowDown: () => setSpeed((before) => Math.max(1, before - 1)),
        "+": () => view.zoom(1.5),
        "=": () => view.zoom(1.5),
        "-": () => view.zoom(1 / 1.5),
        "0": () => view.showAll(),
        "1": () => view.showPixels(),
      }[event.key];
      if (other === undefined) return;
      event.preventDefault();
      other();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [view]);

  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  return (
    <>
      <div class="controls" role="group" aria-label="Blink">
        <button type="button" onClick={() => turn(-1)} aria-label="Image before">‹</button>
        <button type="button" class="first play" onClick={() => setPlaying(!playing)} disabled={opened.length < 2}>{playing ? "Pause" : "Play"}</button>
        <button type="button" onClick={() => turn(1)} aria-label="Next image">›</button>
        <label>
          Speed
          <input type="range" min={1} max={FASTEST} value={speed} onInput={(event) => setSpeed(event.currentTarget.valueAsNumber)} />
          <output>{speed} / s</output>
        </label>
      </div>
      <ShowingControls showing={showing} change={setShowing} />
      <div class="stage-frame">
        <div class="stage">
          <canvas
            ref={canvas}
            tabIndex={0}
            role="application"
            aria-label="Images over each other. Space plays, left and right turn, up and down set the speed, shift with arrows moves, plus and minus zoom"
          />
        </div>
        <ZoomButtons view={view} />
      </div>
      <Shown view={view} opened={opened} drawings={drawings} />
      <ImageList view={view} opened={opened} drawings={drawings} reference={reference} />
    </>
  );
}

function pans(view: BlinkView): Record<string, () => void> {
  return {
    ArrowLeft: () => view.pan(STEP, 0),
    ArrowRight: () => view.pan(-STEP, 0),
    ArrowUp: () => view.pan(0, -STEP),
    ArrowDown: () => view.pan(0, STEP),
  };
}

function ShowingControls({ showing, change }: { showing: Showing; change: (showing: Showing) => void }) {
  return (
    <div class="controls" role="group" aria-label="Display">
      <label>
        Limits
        <select value={showing.limits} onChange={(event) => change({ ...showing, limits: event.currentTarget.value as Limits })}>
          {LIMITS.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      <label>
        of
        <select aria-label="Whose limits" value={showing.same ? "first" : "each"} onChange={(event) => change({ ...showing, same: event.currentTarget.value === "first" })}>
          <option value="first">the first, the same for all</option>
          <option value="each">each image itself</option>
        </select>
      </label>
      <label>
        Stretch
        <select value={showing.stretch} onChange={(event) => change({ ...showing, stretch: event.currentTarget.value as Stretch })}>
          {STRETCHES.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      <label>
        Colours
        <select value={showing.colours} onChange={(event) => change({ ...showing, colours: event.currentTarget.value as ColourMap })}>
          {COLOUR_MAPS.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
    </div>
  );
}

interface ShownProps {
  view: BlinkView | null;
  opened: readonly Opened[];
  drawings: Signal<number>;
}

/** Which image is shown, and how many are ready. */
function Shown({ view, opened, drawings }: ShownProps) {
  void drawings.value;
  if (view === null) return <p class="readout">&nbsp;</p>;
  const ready = view.ready.filter(Boolean).length;
  const problems = [...new Set(view.problems.filter(Boolean))];
  return (
    <>
      <p class="readout">
        <span>{view.current + 1} of {opened.length}</span>
        <span>{opened[view.current]?.image.basename}</span>
        <span>{(view.view.scale * 100).toPrecision(3)} %</span>
        <span class="ready">{ready === opened.length ? "all are here" : `${ready} of ${opened.length} are here`}</span>
        {view.isCoarser && <span>coarser than the screen, so that all have room</span>}
      </p>
      <p class="problem" role="alert">{problems.join(" ")}</p>
    </>
  );
}

/** What is blinked, each to be shown with a click, and how it lies. */
function ImageList({ view, opened, drawings, reference }: ShownProps & { reference: Opened | undefined }) {
  void drawings.value;
  const lies = view?.lies ?? [];
  const pixels = lies.filter((lie) => lie === "pixels").length;
  return (
    <details class="blink-list" open={pixels > 0}>
      <summary>{locked(lies)}</summary>
      <ol>
        {opened.map((each, number) => (
          <li key={each.image.basename} aria-current={number === view?.current ? "true" : undefined}>
            <button type="button" class="quiet" onClick={() => view?.turnTo(number)}>{each.image.basename}</button>{" "}
            <small>{each === reference && lies[number] === "sky" ? "the others are laid over this one" : wordsOf(lies[number], each)}</small>
          </li>
        ))}
      </ol>
    </details>
  );
}

function locked(lies: readonly Lie[]): string {
  const onSky = lies.filter((lie) => lie === "sky").length;
  if (onSky === lies.length) return `All ${lies.length} lie over each other on the sky`;
  if (onSky === 0) return "None has coordinates: they lie over each other by their pixels";
  return `${onSky} of ${lies.length} lie over each other on the sky`;
}

function wordsOf(lie: Lie | undefined, { wcs }: Opened): string {
  if (lie === "pixels") return "has no coordinates (WCS): it lies by its pixels";
  if (lie === "elsewhere") return "shows another part of the sky";
  const away = wcs?.distortion_px ?? 0;
  return away > SMALL_DISTORTION_PX ? `bent by up to ${away.toPrecision(2)} pixels, which is not made good for` : "";
}

/** The images of a session, of which some are chosen to be blinked. */
export function BlinkChoice({ session }: { session: number }) {
  const [images, setImages] = useState<InputImage[] | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [problem, setProblem] = useState("");
  const [, go] = useLocation();
  const keyOf = ({ source, basename }: ImageName) => `${source} ${basename}`;

  useEffect(() => {
    let gone = false;
    readSession(session)
      .then((read) => {
        if (gone) return;
        const found = imagesOf(read);
        setImages(found);
        setChosen(new Set(found.slice(0, MOST_IMAGES).map(keyOf)));
      })
      .catch((error: unknown) => !gone && setProblem(problemOf(error)));
    return () => {
      gone = true;
    };
  }, [session]);

  function toggle(key: string) {
    const changed = new Set(chosen);
    if (!changed.delete(key)) changed.add(key);
    setChosen(changed);
  }

  const many = chosen.size > MOST_IMAGES;
  return (
    <section aria-label="Blink">
      <p class="path"><Link href="/sessions">Sessions</Link> / <Link href={`/session/${session}`}>Session {session}</Link> / <strong>Blink</strong></p>
      <h1>Which images?</h1>
      <p class="problem" role="alert">{problem}</p>
      {images === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {images?.length === 0 && <p>The session has no images yet.</p>}
      {images !== null && images.length > 0 && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            go(blinkAddress(images.filter((image) => chosen.has(keyOf(image)))));
          }}
        >
          <p class="choice">
            <button type="button" onClick={() => setChosen(new Set(images.slice(0, MOST_IMAGES).map(keyOf)))}>All</button>
            <button type="button" onClick={() => setChosen(new Set())}>None</button>
            <button type="submit" class="first" disabled={chosen.size === 0 || many}>Blink {chosen.size}</button>
            <span role="status" class="detail">{many ? `At most ${MOST_IMAGES} are blinked.` : ""}</span>
          </p>
          <ul class="strip">
            {images.map((image) => (
              <li key={keyOf(image)}>
                <label class="pick">
                  <input type="checkbox" checked={chosen.has(keyOf(image))} onChange={() => toggle(keyOf(image))} />
                  <Picture basename={image.basename} link={image.picture} />
                  <span>{image.label}</span>
                  <small>{image.filter ?? ""}</small>
                </label>
              </li>
            ))}
          </ul>
        </form>
      )}
    </section>
  );
}
