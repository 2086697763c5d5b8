/** What is drawn to measure: strokes from one place to another, in pixels from the lower left edge of the image. */
import type { Spot } from "./gestures";
import { INK, type Layer, lined, type Sheet } from "./overlay";
import type { ToolName } from "./toolbox";

export interface Stroke {
  from: Spot;
  to: Spot;
}

interface Size {
  width: number;
  height: number;
}

/** Returns the part of a line between pixel centres of the image, null if there is none (Liang and Barsky 1984). */
export function clippedLine({ from, to }: Stroke, { width, height }: Size): Stroke | null {
  let [begin, end] = [0, 1];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  for (const [step, room] of [
    [-dx, from.x - 0.5],
    [dx, width - 0.5 - from.x],
    [-dy, from.y - 0.5],
    [dy, height - 0.5 - from.y],
  ] as const) {
    if (step === 0) {
      if (room < 0) return null;
    } else if (step < 0) begin = Math.max(begin, room / step);
    else end = Math.min(end, room / step);
  }
  if (begin > end) return null;
  // What is a rounding error beyond the last pixel's centre would count as outside.
  const within = (value: number, most: number) => Math.min(Math.max(value, 0.5), most - 0.5);
  const at = (part: number): Spot => ({ x: within(from.x + part * dx, width), y: within(from.y + part * dy, height) });
  return { from: at(begin), to: at(end) };
}

/** Returns the part of a box on the image, null if there is none. */
export function clippedBox({ from, to }: Stroke, { width, height }: Size): Stroke | null {
  const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  const on = (spot: Spot): Spot => ({ x: within(spot.x, width), y: within(spot.y, height) });
  const clipped = { from: on(from), to: on(to) };
  return clipped.from.x === clipped.to.x || clipped.from.y === clipped.to.y ? null : clipped;
}

/** Returns corners of the box around a circle that was drawn from its centre outwards. */
export function aroundCircle({ from, to }: Stroke): Stroke {
  const radius = Math.hypot(to.x - from.x, to.y - from.y);
  return { from: { x: from.x - radius, y: from.y - radius }, to: { x: from.x + radius, y: from.y + radius } };
}

/** Draws a stroke as a tool means it; without its end it reaches to the middle of what is seen. */
export function strokeLayer(tool: ToolName, from: Spot, to: Spot | null): Layer {
  return (sheet) => {
    const end = to ?? { x: sheet.view.x, y: sheet.view.y };
    if (to === null) crossed(sheet, end);
    const [left, top] = sheet.at(from.x, from.y);
    const [right, bottom] = sheet.at(end.x, end.y);
    const { context } = sheet;
    lined(context, INK, sheet.ratio, () => {
      if (tool === "box") context.rect(left, top, right - left, bottom - top);
      else if (tool === "circle") context.arc(left, top, Math.hypot(right - left, bottom - top), 0, 2 * Math.PI);
      else {
        context.moveTo(left, top);
        context.lineTo(right, bottom);
      }
    });
  };
}

/** A cross in the middle of what is seen, which keys aim with. */
export const aimLayer: Layer = (sheet) => crossed(sheet, { x: sheet.view.x, y: sheet.view.y });

function crossed({ context, ratio, at }: Sheet, { x, y }: Spot): void {
  const [left, top] = at(x, y);
  const arm = 9 * ratio;
  lined(context, INK, ratio, () => {
    context.moveTo(left - arm, top);
    context.lineTo(left + arm, top);
    context.moveTo(left, top - arm);
    context.lineTo(left, top + arm);
  }, 1);
}
