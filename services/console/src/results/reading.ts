/** Results come as JSON of which each operation has its own: nothing is there until it is seen. */

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

export const numberOr = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

export const textOr = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export const numbersOf = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((each): each is number => numberOr(each) !== null) : [];

export const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);

export const rowsOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** A place on the sky, ICRS degrees. */
export interface SkyPlace {
  ra: number;
  dec: number;
}

export function placeOf(ra: unknown, dec: unknown): SkyPlace | null {
  const [east, north] = [numberOr(ra), numberOr(dec)];
  return east === null || north === null ? null : { ra: east, dec: north };
}

/** Returns a number with as many digits as people read. */
export const shortly = (value: number, digits = 6): string => String(Number(value.toPrecision(digits)));

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
