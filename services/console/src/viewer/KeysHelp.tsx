import { useEffect, useRef } from "preact/hooks";
import { TOOLS } from "./toolbox";
import { OVERLAYS } from "./useOverlays";

const KEYS: readonly [string, string][] = [
  ["← → ↑ ↓", "Move the image"],
  ["+  −", "Zoom in, out"],
  ["0", "All of the image"],
  ["1", "One pixel of the image for each of the screen"],
  ...TOOLS.map(({ key, label }): [string, string] => [key.toUpperCase(), label]),
  ["Enter", "Measure in the middle of the view"],
  ["Esc", "Put the tool away"],
  ...OVERLAYS.map(({ key, label }): [string, string] => [key.toUpperCase(), `${label}: show or hide`]),
  ["?", "These keys"],
];

/** The keys that the image knows while it has the focus. */
export function KeysHelp({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog class="keys" ref={dialog} onClose={close} aria-labelledby="keys-title">
      <h2 id="keys-title">Keys of the image</h2>
      <dl>
        {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
      <p class="hint">They count while the image has the focus. Wheel or two fingers zoom; a double click zooms in.</p>
      <button type="button" onClick={() => dialog.current?.close()}>Close</button>
    </dialog>
  );
}
