/** Images laid over each other so that stars stand still: from the pixels of one to those of another, by way of the sky.

Two gnomonic projections of one sky are seen from one point, so straight lines stay straight: a matrix of three by three
says all of it, with turns, scales, flips and the tilt between their planes (FITS WCS paper II, section 5.1.3).
*/
import { after, inverse, type Matrix, moved, turned } from "../viewer/matrix";
import type { LinearWcs } from "../viewer/sky";

const RAD = Math.PI / 180;

/** Returns how pixels from the lower left edge become directions, x to the vernal equinox, z to the pole. */
function toDirections(wcs: LinearWcs): Matrix {
  const [x, y] = [0.5 - wcs.crpix[0], 0.5 - wcs.crpix[1]];
  const [[a, b], [c, d]] = [wcs.cd1, wcs.cd2];
  const toPlane: Matrix = [a * RAD, b * RAD, (a * x + b * y) * RAD, c * RAD, d * RAD, (c * x + d * y) * RAD, 0, 0, 1];
  const [ra, dec] = [wcs.crval[0] * RAD, wcs.crval[1] * RAD];
  const east = [-Math.sin(ra), Math.cos(ra), 0] as const;
  const north = [-Math.sin(dec) * Math.cos(ra), -Math.sin(dec) * Math.sin(ra), Math.cos(dec)] as const;
  const ahead = [Math.cos(dec) * Math.cos(ra), Math.cos(dec) * Math.sin(ra), Math.sin(dec)] as const;
  return after(turned([...east, ...north, ...ahead]), toPlane);
}

/** Returns how pixels of an image become those of another; null if one of them has no such coordinates. */
export function toReference(wcs: LinearWcs, reference: LinearWcs): Matrix | null {
  const matrix = after(inverse(toDirections(reference)), toDirections(wcs));
  return matrix.every(Number.isFinite) ? matrix : null;
}

export interface Box {
  left: number;
  bottom: number;
  right: number;
  top: number;
}

/** Returns the box around what a matrix makes of a box; null if a part of that lies behind the eye. */
export function boxAround(matrix: Matrix, { left, bottom, right, top }: Box): Box | null {
  const corners = [moved(matrix, left, bottom), moved(matrix, right, bottom), moved(matrix, left, top), moved(matrix, right, top)];
  if (corners.some(({ depth }) => !(depth > 0))) return null;
  const [xs, ys] = [corners.map(({ x }) => x), corners.map(({ y }) => y)];
  return { left: Math.min(...xs), bottom: Math.min(...ys), right: Math.max(...xs), top: Math.max(...ys) };
}

export function overlap(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.bottom < other.top && other.bottom < one.top;
}

/** Returns how many times as long as its own a pixel at a place becomes. */
export function stretchAt(matrix: Matrix, x: number, y: number): number {
  const [here, right, up] = [moved(matrix, x, y), moved(matrix, x + 1, y), moved(matrix, x, y + 1)];
  return Math.sqrt(Math.abs((right.x - here.x) * (up.y - here.y) - (right.y - here.y) * (up.x - here.x)));
}
