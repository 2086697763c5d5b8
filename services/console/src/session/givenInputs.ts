/** What an operation was given: its files, and everything else. */
import type { Operation } from "../api/sessions";

/** A file by its name; or what an operation makes, all of it or the image of a number, counted from 1. */
export interface GivenFile {
  source: "archive" | "datalab";
  basename: string | null;
  operation: number | null;
  output: number | null;
  filter: string | null;
  /** All that was said of the file: colours and limits, too. */
  item: Record<string, unknown>;
}

export interface GivenInputs {
  /** By the key of the input. */
  files: Record<string, GivenFile[]>;
  others: Record<string, unknown>;
}

/** Returns what an operation was given. */
export function givenInputs(operation: Operation): GivenInputs {
  const given: GivenInputs = { files: {}, others: {} };
  for (const [key, value] of Object.entries(operation.input_data)) {
    const files = Array.isArray(value) ? value.map(fileOf) : [];
    if (files.length > 0 && files.every((file) => file !== null)) given.files[key] = files;
    else if (!Array.isArray(value) || value.length > 0) given.others[key] = value;
  }
  return given;
}

function fileOf(value: unknown): GivenFile | null {
  if (typeof value !== "object" || value === null) return null;
  const item = value as Record<string, unknown>;
  const number = (key: string) => (typeof item[key] === "number" ? item[key] : null);
  const basename = typeof item["basename"] === "string" ? item["basename"] : null;
  if (basename === null && number("operation") === null) return null;
  return {
    source: item["source"] === "datalab" ? "datalab" : "archive",
    basename,
    operation: number("operation"),
    output: number("output"),
    filter: typeof item["filter"] === "string" ? item["filter"] : null,
    item,
  };
}

/** Returns a value as people read it. */
export function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const { name, ra, dec } = value as Record<string, unknown>;
  if (typeof ra === "number" && typeof dec === "number") {
    const place = `${ra.toFixed(5)}°, ${dec.toFixed(5)}°`;
    return typeof name === "string" && name !== "" ? `${name} (${place})` : place;
  }
  return JSON.stringify(value);
}
