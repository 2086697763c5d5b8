/** Questions about one image, answered while one waits (`/api/analysis/<action>`). */
import { PAGE_HEADER, refusal, RequestError } from "./client";

export interface ImageName {
  basename: string;
  /** `archive` for frames, `datalab` for outputs. */
  source: "archive" | "datalab";
}

async function asked(action: string, image: ImageName, parameters: object, signal?: AbortSignal): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(`/api/analysis/${action}/`, {
      method: "POST",
      headers: { ...PAGE_HEADER, "Content-Type": "application/json" },
      credentials: "same-origin",
      body: JSON.stringify({ ...image, ...parameters }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new RequestError("The server does not answer.", 0);
  }
  if (reply.ok) return reply;
  throw refusal(await reply.json().catch(() => null), reply.status);
}

/** Returns what an action answers in JSON; throws `RequestError`. */
export async function analysed<Answer>(action: string, image: ImageName, parameters: object = {}): Promise<Answer> {
  return (await (await asked(action, image, parameters)).json()) as Answer;
}

/** Returns what an action answers in bytes; throws `RequestError`. */
export async function analysedBytes(
  action: string,
  image: ImageName,
  parameters: object,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  return (await asked(action, image, parameters, signal)).arrayBuffer();
}
