/** The way of a target that moves across the stars. */
import type { Series } from "../parts/plot";
import type { LightCurve } from "./lightCurve";
import { isObject, numberOr, placeOf, rowsOf, type SkyPlace } from "./reading";

/** A star stays within its own centroid's scatter; what goes further moves. */
const LEAST_WAY_ARCSEC = 5;

export interface Track {
  series: Series[];
  /** Which point of the light curve each one is; none of what was given. */
  places: number[][];
}

/** Returns where a target was on the frames, arcseconds from the first; null if it did not move. */
export function trackOf(output: unknown, curve: LightCurve): Track | null {
  const measured = curve.points.flatMap(({ place }, number) => (place === null ? [] : [{ place, number }]));
  const first = measured[0]?.place;
  if (first === undefined || !isObject(output)) return null;
  const at = measured.map(({ place }) => offset(place, first));
  const reach = (axis: 0 | 1) => Math.max(...at.map((each) => each[axis])) - Math.min(...at.map((each) => each[axis]));
  if (Math.max(reach(0), reach(1)) < LEAST_WAY_ARCSEC) return null;
  const given = rowsOf(output["target_positions"]).flatMap((row) => {
    const place = placeOf(row["ra_deg"], row["dec_deg"]);
    return place === null || numberOr(row["mjd"]) === null ? [] : [offset(place, first)];
  });
  const series: Series[] = [{ label: "where it was measured", colour: "--plot-1", size: 6, x: at.map((each) => each[0]), y: at.map((each) => each[1]) }];
  if (given.length > 0) {
    series.push({ label: "positions given", colour: "--plot-2", mark: "ring", size: 10, x: given.map((each) => each[0]), y: given.map((each) => each[1]) });
  }
  return { series, places: [measured.map(({ number }) => number), []] };
}

/** Returns arcseconds east and north, near enough for a field of view. */
function offset(place: SkyPlace, first: SkyPlace): [east: number, north: number] {
  const degrees = ((place.ra - first.ra + 540) % 360) - 180;
  return [degrees * Math.cos((first.dec * Math.PI) / 180) * 3600, (place.dec - first.dec) * 3600];
}
