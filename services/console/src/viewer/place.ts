/** A place of an image that somebody else points at: by its pixel, or by where it is on the sky. */
import type { ImageName } from "../api/analysis";
import { type LinearWcs, pixelOf, skyAt } from "./sky";

/** Pixels as FITS counts them (the centre of the first is 1, 1), or degrees. */
export type Pointed = { x: number; y: number } | { ra: number; dec: number };

/** Radii in arcseconds, as photometry takes them. */
export interface Aperture {
  radius: number;
  inner?: number;
  outer?: number;
}

/** What somebody clicked: a pixel as FITS counts, and degrees if the image has world coordinates. */
export interface Picked {
  x: number;
  y: number;
  sky: { ra: number; dec: number } | null;
}

/** Returns the address of an image, for plain links: `Link` would put what comes after `?` before the `#`. */
export function imageAddress(image: ImageName, pointed?: Pointed, aperture?: Aperture): string {
  const query = new URLSearchParams(
    Object.entries({ ...pointed, ...aperture }).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const after = query.size > 0 ? `?${query}` : "";
  return `#/image/${image.source}/${encodeURIComponent(image.basename)}${after}`;
}

export interface Address {
  basename: string;
  pointed: Pointed | null;
  aperture: Aperture | null;
}

/** Returns what the last part of such an address says; what is no number is as good as not there. */
export function readAddress(last: string): Address {
  const [name = "", query = ""] = last.split("?");
  const given = new URLSearchParams(query);
  const number = (key: string) => {
    const text = given.get(key);
    return text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? undefined : Number(text);
  };
  const pair = [number("ra"), number("dec"), number("x"), number("y")] as const;
  const [ra, dec, x, y] = pair;
  const pointed =
    ra !== undefined && dec !== undefined && Math.abs(dec) <= 90 ? { ra, dec } : x !== undefined && y !== undefined ? { x, y } : null;
  const [radius, inner, outer] = [number("radius"), number("inner"), number("outer")];
  const hasRing = inner !== undefined && outer !== undefined && outer > inner && inner > 0;
  return {
    basename: decoded(name),
    pointed,
    aperture: radius === undefined || radius <= 0 ? null : { radius, ...(hasRing ? { inner, outer } : {}) },
  };
}

/** Returns a name without its escapes, as it is where they are none. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Returns a place in pixels from the lower left edge of the image; null if it cannot be told. */
export function onImage(pointed: Pointed, wcs: LinearWcs | null): { x: number; y: number } | null {
  if ("x" in pointed) return { x: pointed.x - 0.5, y: pointed.y - 0.5 };
  return wcs === null ? null : pixelOf(wcs, pointed.ra, pointed.dec);
}

/** Returns a place, in pixels from the lower left edge, as it is told to others. */
export function pickedAt(x: number, y: number, wcs: LinearWcs | null): Picked {
  return { x: x + 0.5, y: y + 0.5, sky: wcs === null ? null : skyAt(wcs, x, y) };
}
