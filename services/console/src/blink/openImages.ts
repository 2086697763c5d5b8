/** Images that are to be blinked: what has to be known of each before it is shown. */
import { analysed, type ImageName } from "../api/analysis";
import type { LinearWcs } from "../viewer/sky";
import type { Tiling } from "../viewer/tiling";
import { problemOf } from "../words";
import type { BlinkImage } from "./BlinkView";

/** Half of what browsers ask of a server at once. */
const AT_ONCE = 3;

/** What the server tells of coordinates; `distortion_px` is what the linear part is wrong by at most. */
export interface ToldWcs extends LinearWcs {
  distortion_px: number | null;
}

export interface Opened extends BlinkImage {
  wcs: ToldWcs | null;
}

export type Opening = { image: ImageName; opened: Opened } | { image: ImageName; problem: string };

/** Opens images, some at a time; those that cannot be opened say why. `told` hears how many there are. */
export async function openImages(images: readonly ImageName[], told: (count: number) => void, signal: AbortSignal): Promise<Opening[]> {
  const openings: Opening[] = [];
  let next = 0;
  let count = 0;
  async function openSome(): Promise<void> {
    for (let number = next++; number < images.length && !signal.aborted; number = next++) {
      const image = images[number];
      if (image === undefined) return;
      openings[number] = await openOne(image);
      if (!signal.aborted) told(++count);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, openSome));
  return openings;
}

async function openOne(image: ImageName): Promise<Opening> {
  try {
    const tiling = await analysed<Tiling>("tiling", image);
    const wcs = tiling.has_wcs ? await coordinates(image) : null;
    return { image, opened: { image, tiling, wcs } };
  } catch (error) {
    return { image, problem: problemOf(error) };
  }
}

/** Returns what tells where on the sky pixels are; null of coordinates that are none of right ascension and declination. */
async function coordinates(image: ImageName): Promise<ToldWcs | null> {
  try {
    return await analysed<ToldWcs>("wcs", image);
  } catch {
    return null;
  }
}
