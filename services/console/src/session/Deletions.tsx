import { useEffect } from "preact/hooks";
import { me } from "../login";
import { type Deletion, deleteNow, deletions, hold, release, undo, undoAll } from "./deletions";
import "./session.css";

/** What is about to be deleted, on every screen, so that it can be undone. */
export function Deletions() {
  useEffect(
    () =>
      me.subscribe((somebody) => {
        if (!somebody) undoAll();
      }),
    [],
  );
  return (
    <div class="deletions" role="status">
      {deletions.value.map((each) => <Notice key={each.key} deletion={each} />)}
    </div>
  );
}

function Notice({ deletion: { key, what, state, problem } }: { deletion: Deletion }) {
  return (
    <div class="notice" onPointerEnter={() => hold(key)} onPointerLeave={() => release(key)} onFocusCapture={() => hold(key)} onBlurCapture={() => release(key)}>
      {state === "failed" ? (
        <>
          <span class="problem">{what} is still there: {problem}</span>
          <button type="button" onClick={() => undo(key)}>Close</button>
        </>
      ) : (
        <>
          <span>{what} goes in a few seconds. <small class="detail">Closing the page keeps it.</small></span>
          <button type="button" class="first" disabled={state === "runs"} onClick={() => undo(key)}>Undo</button>
          <button type="button" disabled={state === "runs"} onClick={() => void deleteNow(key)}>Delete now</button>
        </>
      )}
    </div>
  );
}
