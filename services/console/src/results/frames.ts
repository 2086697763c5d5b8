/** Where the frames of a result are looked at. */
import { imageAddress } from "../viewer/place";
import type { Address } from "./ResultsView";
import { isObject } from "./reading";

/** Returns how an operation's frames are found in the viewer, at a place on the sky. */
export function frameAddress(inputs: unknown): Address {
  const archived = new Set(filesIn(inputs).filter(({ source }) => source !== "datalab").map(({ basename }) => basename));
  return (frame, place) => {
    // What was not named came of an operation that was.
    const source = archived.has(frame) ? "archive" : "datalab";
    return imageAddress({ basename: frame, source }, place ?? undefined);
  };
}

/** Returns every file that is named in what an operation was given. */
function filesIn(inputs: unknown): { basename: string; source: unknown }[] {
  if (Array.isArray(inputs)) return inputs.flatMap(filesIn);
  if (!isObject(inputs)) return [];
  const { basename, source } = inputs;
  return typeof basename === "string" ? [{ basename, source }] : Object.values(inputs).flatMap(filesIn);
}
