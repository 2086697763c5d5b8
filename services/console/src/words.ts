/** Returns what went wrong, for people to read. */
export const problemOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Returns an instant as people read it: `2026-03-15 07:32:52 UTC`. */
export function utc(moment: string | null | undefined): string {
  return moment ? `${moment.replace("T", " ").slice(0, 19)} UTC` : "time unknown";
}
