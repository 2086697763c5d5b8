/** The part of an image that is seen, as a file. */
import { analysedBytes, type ImageName } from "../api/analysis";
import { save } from "./making";

/** What the server cuts out at most, in a row or column. */
export const LONGEST_SIDE_PX = 2048;

export interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Returns why a part is none that can be cut out, or nothing. */
export function refusal({ width, height }: Part): string {
  if (width === 0 || height === 0) return "Nothing of the image is seen.";
  if (Math.max(width, height) <= LONGEST_SIDE_PX) return "";
  return `What is seen has ${width} × ${height} pixels; a cutout has at most ${LONGEST_SIDE_PX} × ${LONGEST_SIDE_PX}. Zoom in first.`;
}

/** Saves a part of an image, which is small. Throws `RequestError`. */
export async function saveCutout(image: ImageName, part: Part, format: "fits" | "jpg", signal: AbortSignal): Promise<void> {
  const given = { x: part.x + 1, y: part.y + 1, width: part.width, height: part.height, format }; // pixels count from 1
  const bytes = await analysedBytes("cutout", image, given, signal);
  const link = URL.createObjectURL(new Blob([bytes], { type: format === "fits" ? "image/fits" : "image/jpeg" }));
  save(link, `${image.basename}-cutout.${format}`);
  setTimeout(() => URL.revokeObjectURL(link), 60_000); // the browser reads it a moment later
}
