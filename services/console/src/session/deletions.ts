/**
 * Deleting that can be undone. The server is asked after a while only: until then nothing has stopped and nothing is
 * lost, and who closes the page keeps what was to go.
 */
import { signal } from "@preact/signals";
import { problemOf } from "../words";

/** Time to change one's mind, in milliseconds; it stands still while the pointer or the focus is on the notice. */
export const TIME_TO_UNDO_MS = 10_000;

export interface Deletion {
  /** What of it there is once: the same is not deleted twice. */
  key: string;
  /** What goes, in words: `the session “M 31”`. */
  what: string;
  state: "waits" | "runs" | "failed";
  problem: string;
}

/** What is about to be deleted, in the order it was asked for. */
export const deletions = signal<readonly Deletion[]>([]);

const deeds = new Map<string, () => Promise<void>>();
const timers = new Map<string, ReturnType<typeof setTimeout>>();
/** What the server has deleted: a list that was read before still has it. */
const gone = new Set<string>();

/** Tells whether something is about to go, or gone, so that lists leave it out. */
export const isGoing = (key: string) =>
  deletions.value.some((each) => each.key === key && each.state !== "failed") || gone.has(key);

/** Deletes something after a while, unless it is undone. */
export function deleteLater(key: string, what: string, deed: () => Promise<void>): void {
  if (isGoing(key)) return;
  forget(key);
  deeds.set(key, deed);
  deletions.value = [...deletions.value, { key, what, state: "waits", problem: "" }];
  release(key);
}

/** Keeps what was about to go; also takes away the notice of what could not be deleted. */
export function undo(key: string): void {
  if (deletions.value.some((each) => each.key === key && each.state !== "runs")) forget(key);
}

/** Stops the time while somebody reads the notice. */
export function hold(key: string): void {
  clearTimeout(timers.get(key));
  timers.delete(key);
}

/** Lets the time run, from the beginning. */
export function release(key: string): void {
  hold(key);
  if (deletions.value.some((each) => each.key === key && each.state === "waits")) {
    timers.set(key, setTimeout(() => void deleteNow(key), TIME_TO_UNDO_MS));
  }
}

/** Asks the server. */
export async function deleteNow(key: string): Promise<void> {
  const deed = deeds.get(key);
  if (deed === undefined || !deletions.value.some((each) => each.key === key && each.state === "waits")) return;
  hold(key);
  changed(key, { state: "runs" });
  try {
    await deed();
    gone.add(key);
    forget(key);
  } catch (error) {
    changed(key, { state: "failed", problem: problemOf(error) });
  }
}

/** Keeps everything: for who logs out. */
export function undoAll(): void {
  for (const { key } of deletions.value) undo(key);
}

function changed(key: string, part: Partial<Deletion>): void {
  deletions.value = deletions.value.map((each) => (each.key === key ? { ...each, ...part } : each));
}

function forget(key: string): void {
  hold(key);
  deeds.delete(key);
  deletions.value = deletions.value.filter((each) => each.key !== key);
}
