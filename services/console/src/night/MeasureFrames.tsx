import { useEffect, useRef } from "preact/hooks";
import type { Frame } from "../api/client";
import { chosen } from "./chosen";
import { MOST_MEASURED, measure, qualities, toMeasure } from "./quality";

/** Has the chosen frames measured, or the first ones that are shown. */
export function MeasureFrames({ frames }: { frames: readonly Frame[] }) {
  const end = useRef<AbortController | null>(null);
  useEffect(() => () => end.current?.abort(), []);
  const wanted = (chosen.value.size > 0 ? frames.filter((frame) => chosen.value.has(frame.basename)) : frames).slice(0, MOST_MEASURED);
  const failed = wanted.map((frame) => qualities.value.get(frame.basename)).filter((found) => typeof found === "string");
  const left = toMeasure.value;

  function begin() {
    end.current = new AbortController();
    void measure(wanted, end.current.signal);
  }

  return (
    <p class="measure">
      {left > 0
        ? <button type="button" onClick={() => end.current?.abort()}>Stop measuring</button>
        : <button type="button" onClick={begin}>Measure how good {wanted.length === 1 ? "it is" : `${wanted.length} frames are`}</button>}{" "}
      <span class="hint" role="status">
        {left > 0 ? `${left} to go` : failed.length > 0 ? `${failed.length} could not be measured: ${failed[0]}` : ""}
      </span>
    </p>
  );
}
