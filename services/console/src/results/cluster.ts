/** Colour-magnitude diagrams of clusters. */
import type { Series } from "../parts/plot";
import { isObject, type JsonObject, numberOr, placeOf, rowsOf, shortly, type SkyPlace, textOr } from "./reading";

export interface ClusterStar {
  colour: number;
  mag: number;
  error: number | null;
  /** Of being a member; null of stars without a counterpart in Gaia. */
  probability: number | null;
  isMember: boolean;
  gaiaOnly: boolean;
  place: SkyPlace | null;
}

export interface Cluster {
  name: string | null;
  band: string;
  colour: string;
  /** Stars of at least this probability count as members. */
  threshold: number | null;
  stars: ClusterStar[];
  rows: JsonObject[];
}

/** Returns the diagram in an output, null if it is none; stars without colour are in the table only. */
export function clusterOf(output: unknown): Cluster | null {
  if (!isObject(output) || !Array.isArray(output["cmd"])) return null;
  const rows = rowsOf(output["cmd"]);
  const stars = rows.flatMap((row): ClusterStar[] => {
    const [colour, mag] = [numberOr(row["color"]), numberOr(row["mag"])];
    if (colour === null || mag === null) return [];
    return [
      {
        colour,
        mag,
        error: numberOr(row["magerr"]),
        probability: numberOr(row["probability"]),
        isMember: row["member"] === true,
        gaiaOnly: row["gaia_only"] === true,
        place: placeOf(row["ra"], row["dec"]),
      },
    ];
  });
  const [blue, red] = [textOr(output["blue_filter"]) ?? "blue", textOr(output["red_filter"]) ?? "red"];
  return {
    name: isObject(output["cluster"]) ? textOr(output["cluster"]["name"]) : null,
    band: textOr(output["mag_band"]) ?? "magnitude",
    colour: `${blue} − ${red}`,
    threshold: numberOr(output["member_threshold"]),
    stars,
    rows,
  };
}

/** Steps of the probability that have colours of their own. */
const STEPS = 5;

/** Returns one series per step of the probability, unlikely stars first, and which star each point is. */
export function clusterSeries(stars: readonly ClusterStar[]): { series: Series[]; stars: ClusterStar[][] } {
  const found: { series: Series[]; stars: ClusterStar[][] } = { series: [], stars: [] };
  for (let step = -1; step < STEPS; step++) {
    const chosen = stars.filter(({ probability }) => (probability === null ? -1 : Math.min(STEPS - 1, Math.floor(probability * STEPS))) === step);
    if (chosen.length === 0) continue;
    const [least, most] = [(100 * step) / STEPS, (100 * (step + 1)) / STEPS];
    found.series.push({
      label: step < 0 ? "membership unknown" : `${least} to ${most} % member`,
      colour: step < 0 ? "--faint" : `--ramp-${step + 1}`,
      mark: step < 0 ? "ring" : "dot",
      size: 4,
      x: chosen.map((star) => star.colour),
      y: chosen.map((star) => star.mag),
    });
    found.stars.push(chosen);
  }
  return found;
}

export function starSaid(star: ClusterStar): string[] {
  return [
    `${star.mag.toFixed(3)} mag${star.error === null ? "" : ` ± ${star.error.toFixed(3)}`}, colour ${star.colour.toFixed(3)}`,
    star.probability === null ? "membership unknown: not in Gaia, or without motion" : `member with ${shortly(100 * star.probability, 3)} %${star.isMember ? ", counted as one" : ""}`,
    ...(star.place === null ? [] : [`RA ${star.place.ra.toFixed(5)}°, Dec ${star.place.dec.toFixed(5)}°`]),
    ...(star.gaiaOnly ? ["Not measured in the images: Gaia's synthetic photometry"] : []),
  ];
}
