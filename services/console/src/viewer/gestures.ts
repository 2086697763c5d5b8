/** What fingers, mouse and wheel do to an image: move it, zoom it, click it, or draw on it. */
import type { ImageView } from "./ImageView";

/** In pixels from the lower left edge of the image. */
export interface Spot {
  x: number;
  y: number;
}

/** What is done with what people do; places may be outside of the image. */
export interface Deeds {
  /** Whether one finger draws, instead of moving the image. */
  draws: boolean;
  /** Whether a double click zooms in; it does unless it is told not to. */
  zooms?: boolean;
  pointed: (spot: Spot | null) => void;
  clicked: (spot: Spot) => void;
  /** While it is drawn; `done` when the finger is lifted; null ends if it was none. */
  drawn: (line: { from: Spot; to: Spot } | null, done: boolean) => void;
}

/** A finger that moves less, in CSS pixels, has clicked. */
const CLICK_PX = 5;

interface Finger {
  x: number;
  y: number;
}

/** Returns a place of the canvas in its pixels, from the middle, to the right and up. */
export function fromMiddle(canvas: HTMLCanvasElement, event: { clientX: number; clientY: number }): [number, number] {
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  return [(event.clientX - box.left - box.width / 2) * ratio, (box.top + box.height / 2 - event.clientY) * ratio];
}

/** Listens on a canvas, until what it returns is called. `deeds` is asked each time. */
export function listen(canvas: HTMLCanvasElement, view: Pick<ImageView, "pan" | "zoom" | "pixelAt">, deeds: () => Deeds): () => void {
  const fingers = new Map<number, Finger>();
  let start: (Finger & { spot: Spot }) | null = null; // of a click, or of what is drawn; null once it is neither
  let moved = false;

  const spotOf = (event: MouseEvent) => view.pixelAt(...fromMiddle(canvas, event));
  const finger = (event: MouseEvent): Finger => ({ x: event.clientX, y: event.clientY });

  function down(event: PointerEvent) {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, finger(event));
    if (fingers.size === 1) {
      start = { ...finger(event), spot: spotOf(event) };
      moved = false;
      return;
    }
    start = null; // two fingers zoom
    deeds().drawn(null, true);
  }

  function move(event: PointerEvent) {
    const before = fingers.get(event.pointerId);
    if (event.pointerType !== "touch" || before !== undefined) deeds().pointed(spotOf(event));
    if (before === undefined) return;
    const now = finger(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other !== undefined) {
      const apart = (one: Finger) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      view.zoom(apart(now) / apart(before), ...fromMiddle(canvas, event));
      fingers.set(event.pointerId, now);
      return;
    }
    if (!moved && start !== null && Math.hypot(now.x - start.x, now.y - start.y) < CLICK_PX) return;
    moved = true;
    if (deeds().draws) {
      if (start !== null) deeds().drawn({ from: start.spot, to: spotOf(event) }, false);
      return;
    }
    const ratio = canvas.width / canvas.clientWidth;
    view.pan((now.x - before.x) * ratio, (before.y - now.y) * ratio);
    fingers.set(event.pointerId, now);
  }

  function up(event: PointerEvent) {
    if (!fingers.delete(event.pointerId) || start === null) return;
    const { spot } = start;
    start = null;
    if (!moved) deeds().clicked(spot);
    else if (deeds().draws) deeds().drawn({ from: spot, to: spotOf(event) }, true);
  }

  function cancelled(event: PointerEvent) {
    fingers.delete(event.pointerId);
    start = null;
    deeds().drawn(null, true);
  }

  const left = () => deeds().pointed(null);
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY / 400), ...fromMiddle(canvas, event));
  };
  const twice = (event: MouseEvent) => deeds().zooms !== false && view.zoom(2, ...fromMiddle(canvas, event));

  const ended = new AbortController();
  const { signal } = ended;
  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", cancelled, { signal });
  canvas.addEventListener("pointerleave", left, { signal });
  canvas.addEventListener("dblclick", twice, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  return () => ended.abort();
}
