/** The frames that were chosen; they stay so while others are looked for, and while an image is open. */
import { effect, signal } from "@preact/signals";
import type { Frame } from "../api/client";
import { me } from "../login";

export const chosen = signal<ReadonlyMap<string, Frame>>(new Map());
/** The frame that was chosen last, where ranges begin. */
let last = "";

effect(() => {
  if (me.value === null) chooseNone();
});

/** Chooses a frame, or leaves it out; with `range` all from the last one to it, in the order of `shown`. */
export function choose(frame: Frame, range: boolean, shown: readonly Frame[]): void {
  const changed = new Map(chosen.value);
  const from = range ? shown.findIndex((each) => each.basename === last) : -1;
  const until = shown.findIndex((each) => each.basename === frame.basename);
  if (from >= 0 && until >= 0) {
    for (const each of shown.slice(Math.min(from, until), Math.max(from, until) + 1)) changed.set(each.basename, each);
  } else if (!changed.delete(frame.basename)) {
    changed.set(frame.basename, frame);
  }
  last = frame.basename;
  chosen.value = changed;
}

export function chooseAll(frames: readonly Frame[]): void {
  chosen.value = new Map([...chosen.value, ...frames.map((frame) => [frame.basename, frame] as const)]);
}

export function chooseNone(): void {
  last = "";
  chosen.value = new Map();
}

/** Leaves out a frame that is gone. */
export function dropChosen(name: string): void {
  if (!chosen.peek().has(name)) return;
  const kept = new Map(chosen.peek());
  kept.delete(name);
  chosen.value = kept;
}
