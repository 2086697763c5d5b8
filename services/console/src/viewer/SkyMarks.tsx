import type { Signal } from "@preact/signals";
import type { ImageView } from "./ImageView";
import { compass, type LinearWcs, pixelScale, scaleBar } from "./sky";

/** North, east, and a length on the sky. */
export function SkyMarks({ view, wcs, drawings }: { view: ImageView; wcs: LinearWcs; drawings: Signal<number> }) {
  void drawings.value; // drawn anew with the image
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
