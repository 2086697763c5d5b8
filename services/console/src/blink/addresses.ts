/** Which images a blink shows, in its address: names with commas between, outputs behind `datalab:`. */
import type { ImageName } from "../api/analysis";

/** More are too many to hold, and to look at. */
export const MOST_IMAGES = 50;
const OUTPUT = "datalab:";

export function blinkAddress(images: readonly ImageName[]): string {
  const names = images.map(({ source, basename }) => (source === "datalab" ? OUTPUT : "") + encodeURIComponent(basename));
  return `/blink/images/${names.join(",")}`;
}

/** Returns the images of an address, each once; what is beyond those that can be shown is left out. */
export function imagesOfAddress(text: string): ImageName[] {
  const images = text
    .split(",")
    .filter((each) => each !== "")
    .map((each): ImageName => ({
      source: each.startsWith(OUTPUT) ? "datalab" : "archive",
      basename: decoded(each.startsWith(OUTPUT) ? each.slice(OUTPUT.length) : each),
    }));
  const byKey = new Map(images.map((image) => [`${image.source} ${image.basename}`, image]));
  return [...byKey.values()].slice(0, MOST_IMAGES);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that somebody typed
  }
}
