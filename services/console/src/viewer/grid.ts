/** Lines of right ascension and declination over an image, with their values at its rim. */
import { INK, type Layer, lined, type Sheet, written } from "./overlay";
import { type LinearWcs, pixelOf, skyAt } from "./sky";

const DEGREE = 1;
const MINUTE = DEGREE / 60;
const SECOND = MINUTE / 60;
/** In degrees; of declination. */
const DEC_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].map((each) => each * SECOND)
  .concat([1, 2, 5, 10, 20, 30].map((each) => each * MINUTE))
  .concat([1, 2, 5, 10, 15, 30].map((each) => each * DEGREE));
/** Of right ascension, that read well in hours, minutes and seconds. */
const RA_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].map((each) => each * 15 * SECOND)
  .concat([1, 2, 5, 10, 20, 30].map((each) => each * 15 * MINUTE))
  .concat([1, 2, 3, 6].map((each) => each * 15));
/** As many lines of a kind as one likes to see, at most. */
const LINES = 6;
/** Points of the view that tell what sky it shows, and of each line. */
const PROBES = 16;
const POINTS = 60;

interface Range {
  from: number;
  to: number;
}

export function gridLayer(wcs: LinearWcs): Layer {
  return (sheet) => {
    const { ra, dec } = skySeen(sheet, wcs);
    const decStep = stepFor(dec, DEC_STEPS);
    const raStep = stepFor(ra, RA_STEPS);
    for (const value of multiples(dec, decStep)) {
      drawLine(sheet, (part) => pixelOf(wcs, ra.from + part * (ra.to - ra.from), value), labelOfDec(value, decStep));
    }
    for (const value of multiples(ra, raStep)) {
      drawLine(sheet, (part) => pixelOf(wcs, value, dec.from + part * (dec.to - dec.from)), labelOfRa(value, raStep));
    }
  };
}

/** Returns the ranges of the sky in view; right ascension without a jump at 24 h, and whole where a pole is seen. */
export function skySeen({ view, width, height }: Pick<Sheet, "view" | "width" | "height">, wcs: LinearWcs): { ra: Range; dec: Range } {
  const middle = skyAt(wcs, view.x, view.y);
  const half = { x: width / 2 / view.scale, y: height / 2 / view.scale };
  const offsets: number[] = [];
  const decs: number[] = [];
  for (let i = 0; i <= PROBES; i++) {
    for (let j = 0; j <= PROBES; j++) {
      const { ra, dec } = skyAt(wcs, view.x + (2 * (i / PROBES) - 1) * half.x, view.y + (2 * (j / PROBES) - 1) * half.y);
      offsets.push(((ra - middle.ra + 540) % 360) - 180);
      decs.push(dec);
    }
  }
  const dec = { from: Math.min(...decs), to: Math.max(...decs) };
  for (const pole of [-90, 90]) {
    const at = pixelOf(wcs, 0, pole);
    if (at === null || Math.abs(at.x - view.x) > half.x || Math.abs(at.y - view.y) > half.y) continue;
    const around = pole < 0 ? { from: -90, to: dec.to } : { from: dec.from, to: 90 };
    return { ra: { from: 0, to: 360 }, dec: around };
  }
  return { ra: { from: middle.ra + Math.min(...offsets), to: middle.ra + Math.max(...offsets) }, dec };
}

/** Returns the smallest step that makes few enough lines. */
function stepFor(range: Range, steps: readonly number[]): number {
  return steps.find((step) => (range.to - range.from) / step <= LINES) ?? steps[steps.length - 1] ?? 1;
}

function multiples({ from, to }: Range, step: number): number[] {
  const first = Math.ceil(from / step);
  const count = Math.max(0, Math.floor(to / step) - first + 1);
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

function drawLine(sheet: Sheet, along: (part: number) => { x: number; y: number } | null, label: string): void {
  const { context, width, height, ratio, at } = sheet;
  const places: [number, number][] = [];
  for (let point = 0; point <= POINTS; point++) {
    const place = along(point / POINTS);
    if (place !== null) places.push(at(place.x, place.y));
  }
  context.globalAlpha = 0.55;
  lined(context, INK, ratio, () => places.forEach(([left, top], index) => (index === 0 ? context.moveTo(left, top) : context.lineTo(left, top))), 0.8);
  context.globalAlpha = 1;
  const margin = 4 * ratio;
  const room = { right: width - 90 * ratio, bottom: height - margin };
  const seen = places.find(([left, top]) => left >= margin && left <= room.right && top >= 16 * ratio && top <= room.bottom);
  if (seen !== undefined) written(context, label, seen[0] + margin, seen[1] - margin, INK, ratio);
}

/** Returns a number of units, minutes and seconds, as many of them as the step needs. */
function sixties(value: number, step: number, units: readonly [string, string, string]): string {
  const inSeconds = step * 3600;
  const digits = inSeconds >= 1 - 1e-9 ? 0 : Math.ceil(-Math.log10(inSeconds) - 1e-9);
  const whole = Math.round(value * 3600 * 10 ** digits);
  const seconds = (whole % (60 * 10 ** digits)) / 10 ** digits;
  const minutes = Math.floor(whole / (60 * 10 ** digits)) % 60;
  const first = `${String(Math.floor(whole / (3600 * 10 ** digits))).padStart(2, "0")}${units[0]}`;
  if (step >= 1 - 1e-9) return first;
  const second = `${first} ${String(minutes).padStart(2, "0")}${units[1]}`;
  if (step >= MINUTE - 1e-9) return second;
  return `${second} ${seconds.toFixed(digits).padStart(digits > 0 ? 3 + digits : 2, "0")}${units[2]}`;
}

export const labelOfDec = (dec: number, step: number): string => `${dec < -1e-12 ? "−" : "+"}${sixties(Math.abs(dec), step, ["°", "′", "″"])}`;

export const labelOfRa = (ra: number, step: number): string => {
  const round = (((ra % 360) + 360) % 360) / 15;
  return sixties(round > 24 - step / 30 ? 0 : round, step / 15, ["h", "m", "s"]);
};
