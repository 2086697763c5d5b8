/** Which frames the night screen shows, as its address says it and as the archive is asked. */
import type { operations } from "../api/schema";
import { nightSpan, type SiteClock } from "./siteTime";

export type FrameQuery = NonNullable<operations["list_frames_api_frames_get"]["parameters"]["query"]>;

export const ORDERS = [
  "observation_date",
  "target_name",
  "primary_optical_element",
  "exposure_time",
  "configuration_type",
  "instrument_id",
  "proposal_id",
  "reduction_level",
  "basename",
] as const;
export type Order = (typeof ORDERS)[number];

export interface NightQuestion {
  /** Empty for all. */
  site: string;
  /** `YYYY-MM-DD`, the day a night begins on; empty for the latest frames. */
  night: string;
  filter: string;
  kind: string;
  telescope: string;
  instrument: string;
  proposal: string;
  /** A part of the target's name. */
  target: string;
  /** What was written of a place on the sky, and what it was found to be: `ra dec`, degrees. */
  near: string;
  position: string;
  /** Arcmin. */
  radius: string;
  order: Order;
  ascending: boolean;
  table: boolean;
}

/** What is a text of the question, and may be left out. */
const TEXTS = ["site", "night", "filter", "kind", "telescope", "instrument", "proposal", "target", "near", "position", "radius"] as const;
export type Text = (typeof TEXTS)[number];

export const EVERYTHING: NightQuestion = {
  ...(Object.fromEntries(TEXTS.map((name) => [name, ""])) as Record<Text, string>),
  order: "observation_date",
  ascending: false,
  table: false,
};
export const USUAL_RADIUS_ARCMIN = 10;

export function questionIn(search: URLSearchParams): NightQuestion {
  const by = search.get("by") ?? "";
  const order = ORDERS.find((each) => each === by.replace(/^-/, ""));
  return {
    ...EVERYTHING,
    ...(Object.fromEntries(TEXTS.map((name) => [name, search.get(name) ?? ""])) as Record<Text, string>),
    ...(order === undefined ? {} : { order, ascending: !by.startsWith("-") }),
    table: search.get("show") === "table",
  };
}

/** Returns the address of the night screen with this question. */
export function addressOf(question: NightQuestion): string {
  const search = new URLSearchParams(TEXTS.filter((name) => question[name] !== "").map((name) => [name, question[name]]));
  if (!byTime(question)) search.set("by", `${question.ascending ? "" : "-"}${question.order}`);
  if (question.table) search.set("show", "table");
  const text = search.toString();
  return text === "" ? "/" : `/?${text}`;
}

/** Whether the newest come first, so that new ones appear where one looks. */
export const byTime = ({ order, ascending }: NightQuestion): boolean => order === "observation_date" && !ascending;

/** How many things are asked for beside site and night. */
export const narrowings = (question: NightQuestion): number =>
  TEXTS.filter((name) => !["site", "night", "position", "radius"].includes(name) && question[name] !== "").length;

/** Returns what `/api/frames` is asked; a night is that of the site's clocks, or of the headers where those are not known. */
export function queryOf(question: NightQuestion, clock: SiteClock | undefined): FrameQuery {
  const asked: FrameQuery = {
    include_thumbnails: true,
    include_related_frames: false,
    ordering: `${question.ascending ? "" : "-"}${question.order}`,
  };
  if (question.site !== "") asked.site_id = question.site;
  const span = question.night === "" || clock === undefined ? null : nightSpan(question.night, clock);
  if (span !== null) [asked.start, asked.end] = span.map((instant) => new Date(instant).toISOString()) as [string, string];
  else if (question.night !== "") asked.dayobs = question.night;
  if (question.filter !== "") asked.primary_optical_element = question.filter;
  if (question.kind !== "") asked.configuration_type = question.kind;
  if (question.telescope !== "") asked.telescope_id = question.telescope;
  if (question.instrument !== "") asked.instrument_id = question.instrument;
  if (question.proposal !== "") asked.proposal_id = question.proposal;
  if (question.target !== "") asked.target_name = question.target;
  const [ra, dec] = question.position.split(" ").map(Number);
  if (question.position !== "" && ra !== undefined && dec !== undefined) {
    asked.ra = ra;
    asked.dec = dec;
    asked.radius = (question.radius === "" ? USUAL_RADIUS_ARCMIN : Number(question.radius)) / 60;
  }
  return asked;
}
