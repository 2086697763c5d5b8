/** What the linear part of world coordinates leaves out, as the analysis `wcs` tells it. */
export interface Distortion {
  /** Pixels as FITS counts them. */
  centre: [number, number];
  unit_px: number;
  shift_x: number[][];
  shift_y: number[][];
  /** The largest error; null if it is not known how large. */
  accuracy_px: number | null;
}

/** Passes until a pixel is found from where it is shifted to: each gains a factor of what a shift changes per pixel. */
const PASSES = 12;
const ENOUGH_PX = 1e-6;

/** Returns where the linear part has a pixel, both as FITS counts. */
export function shifted(distortion: Distortion, x: number, y: number): [number, number] {
  const u = (x - distortion.centre[0]) / distortion.unit_px;
  const v = (y - distortion.centre[1]) / distortion.unit_px;
  return [x + polynomial(distortion.shift_x, u, v), y + polynomial(distortion.shift_y, u, v)];
}

/** Returns the pixel that is shifted to a place; undoes `shifted` on the image and near it. */
export function unshifted(distortion: Distortion, x: number, y: number): [number, number] {
  let [backX, backY] = [x, y];
  for (let pass = 0; pass < PASSES; pass++) {
    const [thereX, thereY] = shifted(distortion, backX, backY);
    const [missX, missY] = [x - thereX, y - thereY];
    backX += missX;
    backY += missY;
    if (Math.hypot(missX, missY) < ENOUGH_PX) break;
  }
  return [backX, backY];
}

/** Horner's way, over both variables. */
function polynomial(coefficients: readonly (readonly number[])[], u: number, v: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) {
    const row = coefficients[i] ?? [];
    let part = 0;
    for (let j = row.length - 1; j >= 0; j--) part = part * v + (row[j] ?? 0);
    sum = sum * u + part;
  }
  return sum;
}
