/** Positions on the sky of pixels: a gnomonic projection (FITS WCS paper II, section 5.1.3) of pixels that are shifted first. */
import { type Distortion, shifted, unshifted } from "./distortion";

export interface LinearWcs {
  crval: [number, number];
  /** Counted from 1, as in FITS. */
  crpix: [number, number];
  cd1: [number, number];
  cd2: [number, number];
  /** Null where the linear part is all of it. */
  distortion?: Distortion | null;
}

/** Positions of which less is known, in pixels, are said to be rough. */
const ROUGH_PX = 0.5;

/** Returns whether positions of an image are only nearly right. */
export function isRough({ distortion }: LinearWcs): boolean {
  return distortion != null && (distortion.accuracy_px === null || distortion.accuracy_px > ROUGH_PX);
}

const RAD = Math.PI / 180;

/** Returns right ascension and declination in degrees of a place, in pixels from the lower left edge of the image. */
export function skyAt(wcs: LinearWcs, x: number, y: number): { ra: number; dec: number } {
  const [fitsX, fitsY] = wcs.distortion == null ? [x + 0.5, y + 0.5] : shifted(wcs.distortion, x + 0.5, y + 0.5);
  const dx = fitsX - wcs.crpix[0];
  const dy = fitsY - wcs.crpix[1];
  const xi = (wcs.cd1[0] * dx + wcs.cd1[1] * dy) * RAD;
  const eta = (wcs.cd2[0] * dx + wcs.cd2[1] * dy) * RAD;
  const dec0 = wcs.crval[1] * RAD;
  const below = Math.cos(dec0) - eta * Math.sin(dec0);
  const ra = wcs.crval[0] + Math.atan2(xi, below) / RAD;
  const dec = Math.atan2(Math.sin(dec0) + eta * Math.cos(dec0), Math.hypot(xi, below)) / RAD;
  return { ra: ((ra % 360) + 360) % 360, dec };
}

/** Returns the place of a position in degrees, in pixels from the lower left edge; null if it is not before the image. */
export function pixelOf(wcs: LinearWcs, ra: number, dec: number): { x: number; y: number } | null {
  const dec0 = wcs.crval[1] * RAD;
  const east = (ra - wcs.crval[0]) * RAD;
  const up = dec * RAD;
  const towards = Math.sin(dec0) * Math.sin(up) + Math.cos(dec0) * Math.cos(up) * Math.cos(east);
  if (towards <= 0) return null; // more than 90 degrees away: on no tangent plane
  const xi = (Math.cos(up) * Math.sin(east)) / towards / RAD;
  const eta = (Math.cos(dec0) * Math.sin(up) - Math.sin(dec0) * Math.cos(up) * Math.cos(east)) / towards / RAD;
  const determinant = wcs.cd1[0] * wcs.cd2[1] - wcs.cd1[1] * wcs.cd2[0];
  const there: [number, number] = [
    (wcs.cd2[1] * xi - wcs.cd1[1] * eta) / determinant + wcs.crpix[0],
    (wcs.cd1[0] * eta - wcs.cd2[0] * xi) / determinant + wcs.crpix[1],
  ];
  const [fitsX, fitsY] = wcs.distortion == null ? there : unshifted(wcs.distortion, ...there);
  return { x: fitsX - 0.5, y: fitsY - 0.5 };
}

/** Returns the directions on the screen (x to the right, y up) of north and east, of length 1. */
export function compass(wcs: LinearWcs): { north: [number, number]; east: [number, number] } {
  const determinant = wcs.cd1[0] * wcs.cd2[1] - wcs.cd1[1] * wcs.cd2[0];
  const unit = ([x, y]: [number, number]): [number, number] => [x / Math.hypot(x, y), y / Math.hypot(x, y)];
  return {
    north: unit([-wcs.cd1[1] / determinant, wcs.cd1[0] / determinant]),
    east: unit([wcs.cd2[1] / determinant, -wcs.cd2[0] / determinant]),
  };
}

/** Returns the side of a pixel in arcseconds. */
export function pixelScale(wcs: LinearWcs): number {
  return Math.sqrt(Math.abs(wcs.cd1[0] * wcs.cd2[1] - wcs.cd1[1] * wcs.cd2[0])) * 3600;
}

/** Returns a position as people write it: `12h 34m 56.78s +12° 34′ 56.7″`. */
export function sexagesimal(ra: number, dec: number): string {
  const parts = (value: number, digits: number) => {
    const unit = 10 ** digits;
    const whole = Math.round(value * 3600 * unit);
    const seconds = (whole % (60 * unit)) / unit;
    const minutes = Math.floor(whole / (60 * unit)) % 60;
    return [Math.floor(whole / (3600 * unit)), minutes, seconds.toFixed(digits).padStart(3 + digits, "0")] as const;
  };
  const [hours, raMinutes, raSeconds] = parts(ra / 15, 2);
  const [degrees, decMinutes, decSeconds] = parts(Math.abs(dec), 1);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(hours % 24)}h ${two(raMinutes)}m ${raSeconds}s ${dec < 0 ? "−" : "+"}${two(degrees)}° ${two(decMinutes)}′ ${decSeconds}″`;
}

/** Returns a length of an even number that is a good share of a screen, and what it is called. */
export function scaleBar(arcsecPerScreenPixel: number, widthPx: number): { lengthPx: number; label: string } {
  const most = (widthPx / 5) * arcsecPerScreenPixel;
  const evens = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000];
  const small = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
  const arcsec = [...small, ...evens].filter((each) => each <= most).at(-1) ?? most;
  const label = arcsec >= 3600 ? `${arcsec / 3600}°` : arcsec >= 60 ? `${arcsec / 60}′` : `${arcsec}″`;
  return { lengthPx: arcsec / arcsecPerScreenPixel, label };
}
