/** The form of an operation, as its own description asks for it; and what is sent of what people put in. */
import type { InputImage } from "../api/sessions";

export interface WizardInput {
  name: string;
  description: string;
  type: "fits" | "source" | "string" | "int" | "float" | "select" | "target_positions";
  minimum?: number;
  maximum?: number;
  default?: unknown;
  required?: boolean;
  options?: string[];
  single_filter?: boolean;
  filter_options?: string[];
  name_lookup?: boolean;
  include_custom_scale?: boolean;
  color_picker?: boolean;
}

export interface OperationDescription {
  name: string;
  description: string;
  inputs: Record<string, WizardInput>;
}

export interface Channel {
  image: string;
  colour: string;
  low: number | null;
  high: number | null;
}

export interface Source {
  name: string;
  ra: string;
  dec: string;
}

export type FieldValue = string | string[] | Source | Channel[];
export type Values = Record<string, FieldValue>;

/** What is to be seen of an image in a list of values. */
export const keyOf = (image: InputImage) => `${image.source} ${image.basename}`;

/** Red for the longest wavelengths, as the interface people know begins. */
const CHANNEL_FILTERS: [string, RegExp][] = [
  ["#ff0000", /^(r|rp|ip|i|h-?alpha|ha)$/i],
  ["#00ff00", /^(v|g|gp|oiii)$/i],
  ["#0000ff", /^(b|sii|u|up)$/i],
];

/** Returns what a form begins with. */
export function beginning(description: OperationDescription, images: readonly InputImage[]): Values {
  return Object.fromEntries(
    Object.entries(description.inputs).map(([key, input]) => [key, initial(input, images)]),
  );
}

function initial(input: WizardInput, images: readonly InputImage[]): FieldValue {
  switch (input.type) {
    case "fits": {
      if (input.color_picker === true) return channels(images);
      const usable = choosable(input, images);
      const most = input.maximum ?? 999;
      if (most === 1) return usable.length === 1 && usable[0] !== undefined ? [keyOf(usable[0])] : [];
      const filter = input.single_filter === true ? commonest(usable) : null;
      return usable
        .filter((image) => image.source === "archive" && (filter === null || image.filter === filter))
        .slice(0, most)
        .map(keyOf);
    }
    case "source":
      return { name: "", ra: "", dec: "" };
    default:
      return input.default === undefined || input.default === null ? "" : String(input.default);
  }
}

/** Returns the images that may be given for an input. */
export function choosable(input: WizardInput, images: readonly InputImage[]): InputImage[] {
  const filters = input.filter_options;
  return filters === undefined ? [...images] : images.filter((image) => image.filter !== null && filters.includes(image.filter));
}

function commonest(images: readonly InputImage[]): string | null {
  const counts = new Map<string, number>();
  for (const { filter } of images) if (filter !== null) counts.set(filter, (counts.get(filter) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0] ?? null;
}

function channels(images: readonly InputImage[]): Channel[] {
  const chosen = CHANNEL_FILTERS.flatMap(([colour, filters]): Channel[] => {
    const image = images.find((each) => each.filter !== null && filters.test(each.filter));
    return image === undefined ? [] : [{ image: keyOf(image), colour, low: null, high: null }];
  });
  return chosen.length > 0 ? chosen : [{ image: "", colour: "#ff0000", low: null, high: null }];
}

/** Returns what is still wrong with a form, by field; empty when it can be sent. */
export function problems(description: OperationDescription, values: Values): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, input] of Object.entries(description.inputs)) {
    const problem = problemIn(input, values[key] ?? "");
    if (problem !== "") found[key] = problem;
  }
  return found;
}

function problemIn(input: WizardInput, value: FieldValue): string {
  if (input.type === "fits") {
    const count = (value as unknown[]).length;
    const least = input.minimum ?? 0;
    if (count < least) return `choose ${least} or more`;
    if (input.maximum !== undefined && count > input.maximum) return `choose ${input.maximum} at most`;
    const empty = input.color_picker === true && (value as Channel[]).some((each) => each.image === "");
    return empty ? "choose an image for each channel" : "";
  }
  if (input.type === "source") {
    const { ra, dec } = value as Source;
    if (ra === "" && dec === "") return input.required === true ? "name a target, or give its position" : "";
    return number(ra) === null || number(dec) === null ? "right ascension and declination are numbers of degrees" : "";
  }
  const text = (value as string).trim();
  if (text === "") return input.required === true ? "is needed" : "";
  if (input.type === "int" || input.type === "float") {
    const given = number(text);
    if (given === null) return "is no number";
    if (input.type === "int" && !Number.isInteger(given)) return "is no whole number";
    if (input.minimum !== undefined && given < input.minimum) return `is ${input.minimum} or more`;
    if (input.maximum !== undefined && given > input.maximum) return `is ${input.maximum} at most`;
  }
  return "";
}

/** Returns what is sent. What was left empty is left out. */
export function sent(description: OperationDescription, values: Values, images: readonly InputImage[]): Record<string, unknown> {
  const file = (key: string) => {
    const image = images.find((each) => keyOf(each) === key);
    return { basename: image?.basename ?? "", source: image?.source ?? "archive", filter: image?.filter ?? null };
  };
  const made: Record<string, unknown> = {};
  for (const [key, input] of Object.entries(description.inputs)) {
    const value = values[key] ?? "";
    if (input.type === "fits" && input.color_picker === true) {
      made[key] = (value as Channel[]).map((channel) => ({
        ...file(channel.image),
        color: rgb(channel.colour),
        zmin: channel.low,
        zmax: channel.high,
      }));
    } else if (input.type === "fits") {
      if ((value as string[]).length > 0) made[key] = (value as string[]).map(file);
    } else if (input.type === "source") {
      const { name, ra, dec } = value as Source;
      if (ra !== "") made[key] = { ...(name === "" ? {} : { name }), ra: number(ra), dec: number(dec) };
    } else {
      const text = (value as string).trim();
      if (text !== "") made[key] = input.type === "int" || input.type === "float" ? number(text) : text;
    }
  }
  return made;
}

function rgb(colour: string): { r: number; g: number; b: number } {
  const part = (from: number) => Number.parseInt(colour.slice(from, from + 2), 16);
  return { r: part(1), g: part(3), b: part(5) };
}

function number(text: string): number | null {
  const value = Number(text.trim());
  return text.trim() !== "" && Number.isFinite(value) ? value : null;
}
