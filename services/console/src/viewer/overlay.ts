/** What is drawn over an image, sharp at all zooms: layers on a canvas of its own, anew whenever the view changes. */
import type { View } from "./tiling";

export interface Sheet {
  context: CanvasRenderingContext2D;
  view: View;
  /** In pixels of the canvas. */
  width: number;
  height: number;
  /** Pixels of the canvas per CSS pixel. */
  ratio: number;
  /** Returns where a place, in pixels from the lower left edge of the image, is on the canvas. */
  at: (x: number, y: number) => [number, number];
}

export type Layer = (sheet: Sheet) => void;

/** Yellow as the compass; readable on black, grey and most colour maps. */
export const INK = "#ffd27f";

/** Draws the layers over each other, the last one on top. */
export function drawLayers(canvas: HTMLCanvasElement, view: View, width: number, height: number, layers: readonly Layer[]): void {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  const ratio = canvas.clientWidth > 0 ? width / canvas.clientWidth : 1;
  const at = (x: number, y: number): [number, number] => [
    width / 2 + (x - view.x) * view.scale,
    height / 2 - (y - view.y) * view.scale,
  ];
  for (const layer of layers) {
    context.save();
    layer({ context, view, width, height, ratio, at });
    context.restore();
  }
}

/** Something at a place, in pixels from the lower left edge of the image. */
export interface Marker {
  x: number;
  y: number;
  label?: string;
  /** Radii of circles, in pixels of the image; without them it is a cross of four lines. */
  radii?: readonly number[];
  colour?: string;
}

export function markersLayer(markers: readonly Marker[]): Layer {
  return (sheet) => markers.forEach((marker) => drawMarker(sheet, marker));
}

function drawMarker({ context, view, ratio, at }: Sheet, { x, y, label, radii, colour = INK }: Marker): void {
  const [left, top] = at(x, y);
  const inner = 7 * ratio;
  const outer = 18 * ratio;
  lined(context, colour, ratio, () => {
    for (const radius of radii ?? []) {
      context.moveTo(left + radius * view.scale, top);
      context.arc(left, top, radius * view.scale, 0, 2 * Math.PI);
    }
    if (radii !== undefined) return;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
      context.moveTo(left + dx * inner, top + dy * inner);
      context.lineTo(left + dx * outer, top + dy * outer);
    }
  });
  if (label !== undefined) written(context, label, left + inner, top - inner, colour, ratio);
}

/** Draws lines with a dark edge, so that they are seen on bright ground too. */
export function lined(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, colour: string, ratio: number, path: () => void, width = 1.6): void {
  context.beginPath();
  path();
  context.lineWidth = (width + 2) * ratio;
  context.strokeStyle = "rgba(5, 7, 15, 0.65)";
  context.stroke();
  context.lineWidth = width * ratio;
  context.strokeStyle = colour;
  context.stroke();
}

/** Writes text with a dark edge. */
export function written(context: CanvasRenderingContext2D, text: string, left: number, top: number, colour: string, ratio: number): void {
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  context.lineWidth = 3 * ratio;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(5, 7, 15, 0.8)";
  context.strokeText(text, left, top);
  context.fillStyle = colour;
  context.fillText(text, left, top);
}
