/** What operators read, in words. */
import type { components } from "../api/schema";

export type User = components["schemas"]["UserView"];
export type DeadLetter = components["schemas"]["DeadLetterView"];
export type Change = components["schemas"]["AuditView"];

/** Returns what a user may do beyond what is their own. */
export function rightsOf(user: User): string {
  const sites = (names: readonly string[]) => (names.includes("*") ? "every site" : names.join(", "));
  return [
    user.superuser ? "superuser" : "",
    user.operator && !user.superuser ? "operator" : "",
    user.ingests.length > 0 ? `adds files of ${sites(user.ingests)}` : "",
    user.observatories.length > 0 ? `speaks for ${sites(user.observatories)}` : "",
    user.proposals.length > 0 ? `sees proposals ${user.proposals.join(", ")}` : "",
  ].filter(Boolean).join("; ");
}

/** Returns the path of a change, with what stood in it: `/api/users/ada`. */
export const pathOf = (change: Change): string =>
  change.route.replace(/\{([^}:]+)[^}]*\}/g, (whole, name: string) => change.about[name] ?? whole);

/** Returns how a change was answered. */
export function answerTo({ status }: Change): string {
  if (status === null || status === undefined) return "not answered";
  if (status < 400) return `done (${status})`;
  return status < 500 ? `refused (${status})` : `failed (${status})`;
}

/** Returns the names in a field: between commas or blanks. */
export const namesIn = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** Returns a size as people read it. */
export const sizeOf = (bytes: number): string => (bytes < 1024 ? `${bytes} bytes` : `${(bytes / 1024).toFixed(1)} KiB`);

/** Returns a time that something is good for. */
export const minutes = (seconds: number): string => `${Math.round(seconds / 60)} minutes`;
