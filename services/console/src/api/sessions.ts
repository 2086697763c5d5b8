/** Sessions and what is computed in them. */
import { answered, api, type Frame, RequestError } from "./client";
import type { components } from "./schema";

export type Session = components["schemas"]["SessionView"];
export type Operation = components["schemas"]["OperationView"];
export type OutputFile = components["schemas"]["OutputFileView"];
export type SessionFrame = components["schemas"]["SessionFrameView"];

/** An image that an operation can be given: a frame of the session, or an output of it. */
export interface InputImage {
  basename: string;
  source: "archive" | "datalab";
  filter: string | null;
  /** The link to its picture, if it is known. */
  picture: string | null;
  /** What people call it. */
  label: string;
  /** When it was observed, ISO 8601 in UTC, if it is known. */
  observed: string | null;
  /** What it is an exposure of, as observatories call it: `BIAS`, `EXPOSE`; null if that is not known. */
  kind: string | null;
  /** In seconds. */
  exposure: number | null;
  /** The operation that made it, null for frames. */
  operation: number | null;
}

export const ENDED = new Set<Operation["state"]>(["COMPLETED", "FAILED", "CANCELLED"]);

/** Sessions that are asked for at once. */
const PAGE = 50;

/** Tells whether who reads a session may add to it and compute in it. */
export const mayChange = (session: Session) => session.role !== "viewer";

/** Tells whether a session belongs to who reads it, who may share and delete it. */
export const isOwn = (session: Session) => session.role === undefined || session.role === "owner";

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

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);

/** Returns the frames of a session, and what else was put into it. */
export function framesOf(session: Session): InputImage[] {
  return session.input_data.flatMap((item): InputImage[] => {
    const basename = text(item["basename"]);
    if (basename === null) return [];
    return [
      {
        basename,
        source: item["source"] === "datalab" ? "datalab" : "archive",
        filter: text(item["filter"]) ?? text(item["primary_optical_element"]),
        picture: null,
        label: text(item["target_name"]) ?? basename,
        observed: text(item["observation_date"]),
        kind: text(item["configuration_type"]),
        exposure: typeof item["exposure_time"] === "number" ? item["exposure_time"] : null,
        operation: null,
      },
    ];
  });
}

/** Returns the images that an operation has made and others can be given. */
export function imagesMadeBy(operation: Operation): InputImage[] {
  return (operation.output?.output_files ?? [])
    .filter((file) => file.type === "fits")
    .map((file) => ({
      basename: file.basename,
      source: "datalab",
      filter: file.filter ?? null,
      picture: file.small_url ?? null,
      label: `${operation.name} ${operation.id}`,
      observed: file.observation_date ?? null,
      kind: null,
      exposure: null,
      operation: operation.id,
    }));
}

/** Returns every image that a session has: its frames, then the FITS outputs of its operations, the latest first. */
export function imagesOf(session: Session): InputImage[] {
  const latestFirst = [...session.operations].sort((one, other) => other.id - one.id);
  return [...framesOf(session), ...latestFirst.flatMap(imagesMadeBy)];
}

const inSession = (session: number) => ({ params: { path: { session_id: session } } });
const ofOperation = (session: number, operation: number) => ({
  params: { path: { session_id: session, operation_id: operation } },
});

export interface SessionPage {
  count: number;
  sessions: Session[];
}

/** Returns sessions of one's own, and those that others share, which have a text in their name; the latest changed first. */
export async function findSessions(name: string, offset: number): Promise<SessionPage> {
  const query = { shared: "include", limit: String(PAGE), offset: String(offset), ...(name === "" ? {} : { name }) };
  const page = await answered(api.GET("/api/datasessions", { params: { query } as never }));
  return { count: page.count, sessions: page.results };
}

export const readSession = (id: number): Promise<Session> =>
  answered(api.GET("/api/datasessions/{session_id}", inSession(id)));

/** Returns what the archive knows of a session's frames. */
export const readFrames = async (id: number): Promise<SessionFrame[]> =>
  (await answered(api.GET("/api/datasessions/{session_id}/frames", inSession(id)))).frames;

/** Returns a session whose items say what the archive knows of them: who put them in may have said less. */
export function withFrames(session: Session, frames: readonly SessionFrame[]): Session {
  const known = new Map(frames.map((frame) => [frame.basename, frame]));
  const input_data = session.input_data.map((item) => {
    const frame = item["source"] === "datalab" ? undefined : known.get(String(item["basename"]));
    return frame === undefined ? item : { ...item, ...frame };
  });
  return { ...session, input_data };
}

export const readOperation = (session: number, id: number): Promise<Operation> =>
  answered(api.GET("/api/datasessions/{session_id}/operations/{operation_id}", ofOperation(session, id)));

/** Returns the oldest operations of a session, so many of them. */
export async function readOldest(session: number, count: number): Promise<Operation[]> {
  const query = { limit: String(count), offset: "0" };
  const params = { path: { session_id: session }, query };
  return (await answered(api.GET("/api/datasessions/{session_id}/operations", { params: params as never }))).results;
}

export const createSession = (name: string, frames: readonly Frame[]): Promise<Session> =>
  answered(api.POST("/api/datasessions", { body: { name, input_data: frames.map(itemOf) } }));

export const renameSession = (id: number, name: string): Promise<Session> =>
  answered(api.PATCH("/api/datasessions/{session_id}", { ...inSession(id), body: { name } as never }));

export async function deleteSession(id: number): Promise<void> {
  await answered(api.DELETE("/api/datasessions/{session_id}", inSession(id)));
}

/** What is wrong with one input of an operation, or with all of them: then `input` is empty. */
export class RefusedInput extends RequestError {
  constructor(
    message: string,
    status: number,
    readonly input: string,
  ) {
    super(message, status);
  }
}

/** Starts an operation; a request that is repeated with the same key starts no other one. Throws `RefusedInput`. */
export async function startOperation(
  session: number,
  name: string,
  inputs: Record<string, unknown>,
  key: string,
): Promise<Operation> {
  const request = api.POST("/api/datasessions/{session_id}/operations", {
    params: { path: { session_id: session }, header: { "idempotency-key": key } },
    body: { name, input_data: inputs as never },
  });
  try {
    return await answered(request);
  } catch (error) {
    const input = await request.then((reply) => text((reply.error as { input?: unknown } | undefined)?.input), () => null);
    if (error instanceof RequestError && input !== null) throw new RefusedInput(error.message, error.status, input);
    throw error;
  }
}

export const cancelOperation = (session: number, id: number): Promise<Operation> =>
  answered(api.POST("/api/datasessions/{session_id}/operations/{operation_id}/cancel", ofOperation(session, id)));

export const retryOperation = (session: number, id: number): Promise<Operation> =>
  answered(api.POST("/api/datasessions/{session_id}/operations/{operation_id}/retry", ofOperation(session, id)));

export async function deleteOperation(session: number, id: number): Promise<void> {
  await answered(api.DELETE("/api/datasessions/{session_id}/operations/{operation_id}", ofOperation(session, id)));
}
