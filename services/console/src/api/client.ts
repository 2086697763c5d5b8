/** The API of this server, typed by its own description (`npm run api` writes `schema.d.ts` anew). */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Frame = components["schemas"]["FrameView"];
export type Profile = components["schemas"]["ProfileView"];

/** What no page of others can send: with it, a login in this browser counts (`session_api/web/browser.py`). */
export const PAGE_HEADER = { "X-Datalab-Page": "1" };

export const api = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "http://localhost/" : location.origin,
  headers: PAGE_HEADER,
  credentials: "same-origin",
});

/** What went wrong with a request, for people to read. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

let noticed = () => {};
/** Has a function called whenever the server does not know the login (any more). */
export function onUnauthenticated(notice: () => void): void {
  noticed = notice;
}

/** Returns the error for an answer that is none, by its body. */
export function refusal(body: unknown, status: number): RequestError {
  if (status === 401) noticed();
  return new RequestError(inWords(body, status), status);
}

interface Reply<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** Returns what was answered; throws `RequestError` for anything but success, also when nobody answers. */
export async function answered<Data>(request: Promise<Reply<Data>>): Promise<Data> {
  let reply: Reply<Data>;
  try {
    reply = await request;
  } catch {
    throw new RequestError("The server does not answer.", 0);
  }
  if (reply.error !== undefined || !reply.response.ok) {
    throw refusal(reply.error, reply.response.status);
  }
  return reply.data as Data;
}

/** Returns the sentences of an error's body: `detail`, `error`, or fields with their texts. */
export function inWords(body: unknown, status: number): string {
  if (typeof body !== "object" || body === null) return `The server answered ${status}.`;
  const said = body as Record<string, unknown>;
  for (const key of ["detail", "error", "message"]) {
    if (typeof said[key] === "string") return said[key];
  }
  const fields = Object.entries(said).map(([field, texts]) => {
    const text = Array.isArray(texts) ? texts.join(" ") : JSON.stringify(texts);
    return field === "non_field_errors" ? text : `${field}: ${text}`;
  });
  return fields.join(" ") || `The server answered ${status}.`;
}
