import type { Signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { shortly } from "../words";
import type { Spot } from "./gestures";
import type { ImageView } from "./ImageView";
import { isRough, type LinearWcs, sexagesimal, skyAt } from "./sky";

interface ReadoutProps {
  view: ImageView | null;
  wcs: LinearWcs | null;
  cursor: Signal<Spot | null>;
  drawings: Signal<number>;
}

/** Screen readers hear where keys have led to, once it is there: not each step, and not what a pointer passes. */
const SPOKEN_AFTER_MS = 700;

/** Where the pointer is, and what is there; of the middle of the view where there is no pointer. */
export function Readout({ view, wcs, cursor, drawings }: ReadoutProps) {
  void drawings.value; // the middle moves, and values come, with drawings
  if (view === null) return <p class="readout">&nbsp;</p>;
  const at = cursor.value ?? { x: view.view.x, y: view.view.y };
  const found = view.has(at.x, at.y) ? view.valueAt(at.x, at.y) : null;
  const value = found === null ? "–" : Number.isNaN(found.value) ? "undefined" : `${found.exact ? "" : "≈ "}${shortly(found.value)}`;
  const sky = wcs === null ? null : skyAt(wcs, at.x, at.y);
  const position = wcs === null || sky === null ? "" : `${isRough(wcs) ? "≈ " : ""}${sexagesimal(sky.ra, sky.dec)}`;
  const words = `x ${(at.x + 0.5).toFixed(1)}, y ${(at.y + 0.5).toFixed(1)}`;
  return (
    <>
      <p class="readout">
      <span>{cursor.value === null ? "middle" : "pointer"}</span>
      <span>{words}</span>
      <span>value {value}</span>
      <span>{position}</span>
      <span>{(view.view.scale * 100).toPrecision(3)} %</span>
    </p>
    <Spoken text={cursor.value === null ? `${words}, value ${value}${position === "" ? "" : `, ${position}`}` : ""} />
    </>
  );
}

function Spoken({ text }: { text: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    const waiting = setTimeout(() => setSaid(text), SPOKEN_AFTER_MS);
    return () => clearTimeout(waiting);
  }, [text]);
  return <p class="unseen" role="status" aria-label="Middle of the view">{said}</p>;
}
