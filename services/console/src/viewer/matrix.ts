/** Matrices of three by three, row by row: with them straight lines of one plane become those of another. */

export type Matrix = readonly [number, number, number, number, number, number, number, number, number];

export const SAME: Matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Returns the matrix that does what `second` does after what `first` does. */
export function after(second: Matrix, first: Matrix): Matrix {
  const made = new Array<number>(9).fill(0);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      for (let each = 0; each < 3; each++) {
        made[3 * row + column] = (made[3 * row + column] ?? 0) + (second[3 * row + each] ?? 0) * (first[3 * each + column] ?? 0);
      }
    }
  }
  return made as unknown as Matrix;
}

/** Returns the matrix that undoes what another does, which must have one. */
export function inverse([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const adjugate = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d];
  return adjugate.map((each) => each / determinant) as unknown as Matrix;
}

export function turned([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  return [a, d, g, b, e, h, c, f, i];
}

/** Returns where a place of a plane comes, and its distance before the eye: what is not positive cannot be seen. */
export function moved(matrix: Matrix, x: number, y: number): { x: number; y: number; depth: number } {
  const [a, b, c, d, e, f, g, h, i] = matrix;
  const depth = g * x + h * y + i;
  return { x: (a * x + b * y + c) / depth, y: (d * x + e * y + f) / depth, depth };
}
