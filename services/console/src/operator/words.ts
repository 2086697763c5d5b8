/** What operators read, in words. */
import type { components } from "../api/schema";
import { utc } from "../words";

export type User = components["schemas"]["UserView"];
export type DeadLetter = components["schemas"]["DeadLetterView"];
export type OpenedLetter = components["schemas"]["OpenedLetterView"];
export type Process = components["schemas"]["ProcessView"];
export type Upload = components["schemas"]["UploadView"];
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

/** What waits while a service is not there. */
const NEEDED: Record<string, string> = {
  "operation-runner": "No runner is there: operations and previews wait.",
  ingest: "No ingest is there: new files wait.",
};

/** Returns a sentence for each service that nobody does the work of. */
export const missingIn = (processes: readonly Process[]): string[] =>
  Object.entries(NEEDED)
    .filter(([service]) => !processes.some((each) => each.service === service && !each.silent))
    .map(([, sentence]) => sentence);

/** Returns what keeps a process from its work, empty if nothing does. */
export function faultsOf(process: Process): string {
  if (process.silent) return `silent since ${utc(process.seen_at)}: ended, stuck, or cut off from the bus`;
  return Object.entries(process.dependencies)
    .filter(([, state]) => state !== "ok")
    .map(([name, state]) => `${name}: ${state}`)
    .join("; ");
}

/** Returns how many messages a process has in hand that say nothing of themselves, by consumer. */
export function othersInHand(process: Process): string {
  const counts = new Map<string, number>();
  for (const { consumer } of process.in_hand.filter((work) => work.what === "")) counts.set(consumer, (counts.get(consumer) ?? 0) + 1);
  return [...counts].map(([consumer, count]) => `${consumer}: ${count} in hand`).join(", ");
}

/** Returns how much of each lane of a runner is in use, empty for what is no runner: `fast 1 of 2, slow 0 of 1`. */
export const slotsOf = (process: Process): string =>
  Object.entries(process.slots)
    .filter(([consumer]) => consumer.startsWith("runner-"))
    .map(([consumer, slots]) => `${consumer.slice(7)} lane ${process.in_hand.filter((work) => work.consumer === consumer).length} of ${slots}`)
    .join(", ");

/** Returns the uploads somebody wants to see, the latest first; of some site, or that came to nothing, if they say so. */
export const uploadsShown = (all: readonly Upload[], { site, refused }: { site: string; refused: boolean }): Upload[] =>
  all.filter((each) => (site.trim() === "" || each.site === site.trim()) && (!refused || each.reason !== undefined)).reverse();

/** Returns what a message says, spread out where it is JSON that stays the same: not every number survives a browser. */
export function readable(content: string): string {
  try {
    const said: unknown = JSON.parse(content);
    return JSON.stringify(said) === content ? JSON.stringify(said, null, 2) : content;
  } catch {
    return content;
  }
}
