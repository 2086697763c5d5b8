/** The night that is shown. It goes on listening while an image of it is open, so that coming back shows it at once. */
import { effect } from "@preact/signals";
import { ended, me } from "../login";
import { NightFrames } from "./nightFrames";
import { addressOf, type FrameQuery, type NightQuestion } from "./nightQuestion";

let open: { key: string; frames: NightFrames } | null = null;

/** Returns the frames of a question: those that are open, if it is the same. */
export function liveNight(question: NightQuestion, query: FrameQuery): NightFrames {
  const key = `${me.value?.username ?? ""} ${addressOf({ ...question, table: false })} ${JSON.stringify(query)}`;
  if (open?.key !== key) {
    open?.frames.close();
    open = { key, frames: new NightFrames(question, query) };
  }
  return open.frames;
}

// Without a login, the server had shown what is for everybody.
effect(() => {
  if (!ended.value) open?.frames.refresh();
});

effect(() => {
  if (me.value !== null) return;
  open?.frames.close();
  open = null;
});
