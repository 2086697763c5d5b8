/** Returns what went wrong, for people to read. */
export const problemOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Returns an instant as people read it: `2026-03-15 07:32:52 UTC`. */
export function utc(moment: string | null | undefined): string {
  return moment ? `${moment.replace("T", " ").slice(0, 19)} UTC` : "time unknown";
}

/** Returns a number with as many digits as people read. */
export function shortly(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e7 || size < 1e-3) ? value.toExponential(3) : String(Number(value.toPrecision(7)));
}
