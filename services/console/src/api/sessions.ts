/** Sessions and what is computed in them. */
import { answered, api, type Frame } from "./client";
import type { components } from "./schema";

export type Session = components["schemas"]["SessionView"];
export type Operation = components["schemas"]["OperationView"];
export type OutputFile = components["schemas"]["OutputFileView"];

/** An image that an operation can be given: a frame of the session, or an output of it. */
export interface InputImage {
  basename: string;
  source: "archive" | "datalab";
  filter: string | null;
  /** The link to its picture, if it is known. */
  picture: string | null;
  /** What people call it. */
  label: string;
}

export const ENDED = new Set<Operation["state"]>(["COMPLETED", "FAILED", "CANCELLED"]);

/** Returns a frame as sessions keep it. */
export function itemOf(frame: Frame): Record<string, string | number | null> {
  return {
    id: frame.id,
    basename: frame.basename,
    source: "archive",
    filter: frame.primary_optical_element,
    observation_date: frame.observation_date,
    target_name: frame.target_name,
  };
}

/** Returns every image that a session has: its frames, then the FITS outputs of its operations, the latest first. */
export function imagesOf(session: Session): InputImage[] {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
  const frames = session.input_data.flatMap((item): InputImage[] => {
    const basename = text(item["basename"]);
    if (basename === null) return [];
    return [
      {
        basename,
        source: item["source"] === "datalab" ? "datalab" : "archive",
        filter: text(item["filter"]) ?? text(item["primary_optical_element"]),
        picture: null,
        label: text(item["target_name"]) ?? basename,
      },
    ];
  });
  const outputs = [...session.operations]
    .sort((one, other) => other.id - one.id)
    .flatMap((operation) =>
      (operation.output?.output_files ?? [])
        .filter((file) => file.type === "fits")
        .map((file): InputImage => ({
          basename: file.basename,
          source: "datalab",
          filter: file.filter ?? null,
          picture: file.small_url ?? null,
          label: `${operation.name} ${operation.id}`,
        })),
    );
  return [...frames, ...outputs];
}

export const readSession = (id: number) =>
  answered(api.GET("/api/datasessions/{session_id}", { params: { path: { session_id: id } } })) as Promise<Session>;

export async function createSession(name: string, frames: readonly Frame[]): Promise<Session> {
  return (await answered(
    api.POST("/api/datasessions", { body: { name, input_data: frames.map(itemOf) } }),
  )) as Session;
}

export async function startOperation(session: number, name: string, inputs: Record<string, unknown>): Promise<Operation> {
  return (await answered(
    api.POST("/api/datasessions/{session_id}/operations", {
      params: { path: { session_id: session } },
      body: { name, input_data: inputs as never },
    }),
  )) as Operation;
}
