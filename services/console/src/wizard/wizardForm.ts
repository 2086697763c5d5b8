/** The form of an operation, as its own description asks for it; and what is sent of what people put in. */
import type { InputImage, Operation } from "../api/sessions";
import { givenInputs } from "../session/givenInputs";
import { declination, rightAscension } from "./angles";
import { byFilter, type Channel, colourOf, EMPTY, rgbOf } from "./channels";

export interface WizardInput {
  name: string;
  description: string;
  type: "fits" | "source" | "string" | "int" | "float" | "select";
  minimum?: number;
  maximum?: number;
  default?: unknown;
  required?: boolean;
  options?: string[];
  single_filter?: boolean;
  filter_options?: string[];
  name_lookup?: boolean;
  color_picker?: boolean;
  /** Shown only while these selects have one of these values. */
  shown_when?: Record<string, string[]>;
  /** What a text is that more help is there for. */
  holds?: "target_positions";
}

export interface OperationDescription {
  name: string;
  description: string;
  inputs: Record<string, WizardInput>;
}

/** A place on the sky, as it was typed. */
export interface Source {
  name: string;
  ra: string;
  dec: string;
}

export type FieldValue = string | string[] | Source | Channel[];
export type Values = Record<string, FieldValue>;

/** How descriptions say that there may be as many as one likes. */
const MANY = 999;

/** Exposures not of the sky, as observatories name them (OCS's OBSTYPE). */
const CALIBRATIONS = new Set(["BIAS", "DARK", "FLAT", "SKYFLAT", "LAMPFLAT", "ARC", "BPM", "DOUBLE"]);

/** What is to be seen of an image in a list of values. */
export const keyOf = (image: InputImage) => `${image.source} ${image.basename}`;

/** Returns the inputs that are shown for the values chosen so far, by key. */
export function shownInputs(description: OperationDescription, values: Values): [string, WizardInput][] {
  return Object.entries(description.inputs).filter(([, input]) =>
    Object.entries(input.shown_when ?? {}).every(([other, wanted]) => wanted.includes(String(values[other] ?? ""))),
  );
}

/** Returns what a form begins with: for its first images those that were chosen to be used, if there are some. */
export function beginning(description: OperationDescription, images: readonly InputImage[], given: readonly string[] = []): Values {
  const chosen = images.filter((image) => given.includes(keyOf(image)));
  const first = Object.entries(description.inputs).find(([, input]) => input.type === "fits" && choosable(input, chosen).length > 0)?.[0];
  return Object.fromEntries(
    Object.entries(description.inputs).map(([key, input]) => [key, initial(input, images, key === first ? chosen : [])]),
  );
}

function initial(input: WizardInput, images: readonly InputImage[], given: readonly InputImage[]): FieldValue {
  switch (input.type) {
    case "fits":
      if (input.color_picker === true) return byFilter(given.length > 0 ? given : images, keyOf);
      return (given.length > 0 ? choosable(input, given) : likely(input, images)).slice(0, input.maximum ?? MANY).map(keyOf);
    case "source":
      return { name: "", ra: "", dec: "" };
    default:
      return input.default === undefined || input.default === null ? "" : String(input.default);
  }
}

/** Returns the images that are probably meant: the only one, or the frames of the commonest filter. */
function likely(input: WizardInput, images: readonly InputImage[]): InputImage[] {
  const usable = choosable(input, images);
  if (input.maximum === 1) return usable.length === 1 && input.minimum === 1 ? usable : [];
  const all = usable.filter((image) => image.operation === null);
  const lights = all.filter((image) => !CALIBRATIONS.has(image.kind ?? ""));
  const frames = lights.length > 0 ? lights : all;
  const filter = input.single_filter === true ? commonest(frames) : null;
  return filter === null ? frames : frames.filter((image) => image.filter === filter);
}

/** Returns the values that an operation was started with, as far as they are still there. */
export function former(description: OperationDescription, operation: Operation, images: readonly InputImage[]): Values {
  const { files, others } = givenInputs(operation);
  const known = new Map(images.map((image) => [keyOf(image), image]));
  return Object.fromEntries(
    Object.entries(description.inputs).map(([key, input]): [string, FieldValue] => {
      const given = (files[key] ?? []).filter((file) => known.has(`${file.source} ${file.basename}`));
      if (input.color_picker === true) {
        const channels = given.map(({ source, basename, item }) => ({
          image: `${source} ${basename}`,
          colour: colourOf(item["color"]),
          low: numberOf(item["zmin"]),
          high: numberOf(item["zmax"]),
        }));
        return [key, channels.length > 0 ? channels : [EMPTY]];
      }
      if (input.type === "fits") return [key, given.map((file) => `${file.source} ${file.basename}`)];
      const value = others[key];
      if (input.type === "source") {
        const { name, ra, dec } = (value ?? {}) as Record<string, unknown>;
        return [key, { name: textIn(name), ra: textIn(ra), dec: textIn(dec) }];
      }
      return [key, textIn(value ?? input.default)];
    }),
  );
}

const textIn = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
const numberOf = (value: unknown) => (typeof value === "number" ? value : null);

/** Returns the images that may be given for an input. */
export function choosable(input: WizardInput, images: readonly InputImage[]): InputImage[] {
  const filters = input.filter_options;
  return images.filter((image) =>
    filters !== undefined ? image.filter !== null && filters.includes(image.filter) : input.single_filter !== true || image.filter !== null,
  );
}

/** Returns the filters of images, each once, the commonest first. */
export function filtersOf(images: readonly InputImage[]): string[] {
  const counts = new Map<string, number>();
  for (const { filter } of images) if (filter !== null) counts.set(filter, (counts.get(filter) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]).map(([filter]) => filter);
}

const commonest = (images: readonly InputImage[]) => filtersOf(images)[0] ?? null;

/** Returns how many or how much may be given, in words; empty if anything may. */
export function rangeOf({ type, minimum, maximum }: WizardInput): string {
  if (type !== "fits" && type !== "int" && type !== "float") return "";
  const most = type === "fits" && (maximum ?? MANY) >= MANY ? undefined : maximum;
  const least = type === "fits" && minimum === 0 ? undefined : minimum;
  if (least !== undefined && most !== undefined) return least === most ? `${least}` : `${least} to ${most}`;
  if (least !== undefined) return `${least} or more`;
  return most === undefined ? "" : `${most} at most`;
}

/** Returns what is still wrong with a form, by field; empty when it can be sent. */
export function problems(description: OperationDescription, values: Values, images: readonly InputImage[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, input] of shownInputs(description, values)) {
    const problem = problemIn(input, values[key] ?? "", images);
    if (problem !== "") found[key] = problem;
  }
  return found;
}

function problemIn(input: WizardInput, value: FieldValue, images: readonly InputImage[]): string {
  if (input.type === "fits") return problemWithImages(input, value as string[] | Channel[], images);
  if (input.type === "source") return problemWithSource(input, value as Source);
  const text = (value as string).trim();
  if (text === "") return input.required === true ? "This is needed." : "";
  if (input.type === "int" || input.type === "float") {
    const given = number(text);
    if (given === null) return "This is no number.";
    if (input.type === "int" && !Number.isInteger(given)) return "This is no whole number.";
    if (input.minimum !== undefined && given < input.minimum) return `The least is ${input.minimum}.`;
    if (input.maximum !== undefined && given > input.maximum) return `The most is ${input.maximum}.`;
  }
  return "";
}

function problemWithImages(input: WizardInput, value: string[] | Channel[], images: readonly InputImage[]): string {
  const least = input.minimum ?? 0;
  if (value.length < least) return least === 1 ? "Choose an image." : `Choose ${least} images or more.`;
  if (input.maximum !== undefined && value.length > input.maximum) return `Choose ${input.maximum} at most.`;
  if (input.color_picker === true) return problemWithChannels(value as Channel[]);
  if (input.single_filter !== true) return "";
  const filters = filtersOf(images.filter((image) => (value as string[]).includes(keyOf(image))));
  return filters.length > 1 ? `Choose images of one filter: these are of ${filters.join(", ")}.` : "";
}

function problemWithChannels(channels: readonly Channel[]): string {
  if (channels.some((channel) => channel.image === "")) return "Choose an image for each channel, or remove the channel.";
  const turned = channels.some(({ low, high }) => low !== null && high !== null && low > high);
  return turned ? "Black is below white in each channel." : "";
}

function problemWithSource(input: WizardInput, { name, ra, dec }: Source): string {
  if (ra.trim() === "" && dec.trim() === "") {
    if (name.trim() !== "") return "Look the name up, or give the position.";
    return input.name.endsWith("(optional)") ? "" : "Name it and look it up, or give its position.";
  }
  if (rightAscension(ra) === null) return "Right ascension is 0 to 360 degrees, or hours as 05:35:17.3.";
  return declination(dec) === null ? "Declination is -90 to 90 degrees, or as -05:23:28." : "";
}

/** Returns what is sent. What was left empty, or is not shown, is left out. */
export function sent(description: OperationDescription, values: Values, images: readonly InputImage[]): Record<string, unknown> {
  const known = new Map(images.map((image) => [keyOf(image), image]));
  // What is there no more is left out.
  const files = (key: string) => {
    const image = known.get(key);
    if (image === undefined) return [];
    const { basename, source, filter, operation } = image;
    return [{ basename, source, filter, ...(operation === null ? {} : { operation }) }];
  };
  const made: Record<string, unknown> = {};
  for (const [key, input] of shownInputs(description, values)) {
    const value = values[key] ?? "";
    if (input.type === "fits" && input.color_picker === true) {
      made[key] = (value as Channel[]).flatMap(({ image, colour, low, high }) =>
        files(image).map((file) => ({ ...file, color: rgbOf(colour), zmin: low, zmax: high })),
      );
    } else if (input.type === "fits") {
      if ((value as string[]).length > 0) made[key] = (value as string[]).flatMap(files);
    } else if (input.type === "source") {
      const { name, ra, dec } = value as Source;
      const named = name.trim() === "" ? {} : { name: name.trim() };
      if (ra.trim() !== "") made[key] = { ...named, ra: rightAscension(ra), dec: declination(dec) };
    } else {
      const text = (value as string).trim();
      if (text !== "") made[key] = input.type === "int" || input.type === "float" ? number(text) : text;
    }
  }
  return made;
}

function number(text: string): number | null {
  const value = Number(text.trim());
  return text.trim() !== "" && Number.isFinite(value) ? value : null;
}
