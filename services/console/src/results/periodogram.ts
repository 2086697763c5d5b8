/** Periodograms: powers by frequency, and the periods that deserve a look. */
import type { Marker } from "../parts/plot";
import { isObject, numberOr, numbersOf, rowsOf, shortly, textOr, textsOf } from "./reading";
import type { Table } from "./table";

export interface Candidate {
  days: number;
  power: number | null;
  falseAlarm: number | null;
  kind: string;
  /** Its name in the chart. */
  label: string;
  description: string;
}

export interface Periodogram {
  days: number | null;
  /** Cycles per day. */
  frequency: number[];
  power: number[];
  /** Of the times alone: what the rhythm of observing suggests. */
  window: number[];
  candidates: Candidate[];
  notes: string[];
}

/** Returns the search for a period in an output, null if there was none. */
export function periodogramOf(output: unknown): Periodogram | null {
  if (!isObject(output)) return null;
  const [frequency, power] = [numbersOf(output["frequency"]), numbersOf(output["power"])];
  const days = numberOr(output["period"]);
  if (days === null && frequency.length === 0) return null;
  let aliases = 0;
  const candidates = rowsOf(output["period_candidates"]).flatMap((row): Candidate[] => {
    const period = numberOr(row["period"]);
    if (period === null || period <= 0) return [];
    const kind = textOr(row["kind"]) ?? "";
    return [
      {
        days: period,
        power: numberOr(row["power"]),
        falseAlarm: numberOr(row["false_alarm_probability"]),
        kind,
        label: kind === "alias" ? `alias ${++aliases}` : kind === "double" ? "twice" : kind || "period",
        description: textOr(row["description"]) ?? "",
      },
    ];
  });
  const window = numbersOf(output["window_power"]);
  return {
    days,
    frequency,
    power: power.slice(0, frequency.length),
    window: window.length === frequency.length ? window : [],
    candidates,
    notes: textsOf(output["period_notes"]),
  };
}

/** Returns the names that stand in the chart: candidates, and what the curve is folded at. */
export function markersOf({ candidates }: Periodogram, folded: number | null): Marker[] {
  const known = candidates.some((each) => folded !== null && Math.abs(each.days / folded - 1) < 1e-6);
  const markers = candidates.map((each) => ({ x: 1 / each.days, label: each.label }));
  return folded === null || known ? markers : [...markers, { x: 1 / folded, label: "folded here" }];
}

/** Returns the period of the highest power within `reach` of a frequency; null if there is none. */
export function peakNear({ frequency, power }: Periodogram, at: number, reach: number): number | null {
  let best: number | null = null;
  let highest = -Infinity;
  frequency.forEach((each, place) => {
    const height = power[place] ?? -Infinity;
    if (each > 0 && Math.abs(each - at) <= reach && height > highest) [best, highest] = [1 / each, height];
  });
  return best;
}

export function periodogramTable({ frequency, power, window }: Periodogram): Table {
  return [
    { name: "frequency", unit: "1/d", cells: frequency },
    { name: "period", unit: "d", cells: frequency.map((each) => (each > 0 ? 1 / each : null)) },
    { name: "power", cells: power },
    ...(window.length > 0 ? [{ name: "window_power", cells: window }] : []),
  ];
}

/** Returns a probability in words. */
export const chance = (probability: number | null): string =>
  probability === null ? "" : probability < 1e-10 ? "below 1e-10" : shortly(probability, 2);
