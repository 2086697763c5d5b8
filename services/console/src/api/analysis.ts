/** Questions about one image, answered while one waits (`/api/analysis/<action>`). */
import { inWords, PAGE_HEADER, refusal, RequestError } from "./client";

export interface ImageName {
  basename: string;
  /** `archive` for frames, `datalab` for outputs. */
  source: "archive" | "datalab";
}

/** What was asked for is being made; `message` says how far it is. */
export class UnfinishedError extends RequestError {
  constructor(
    message: string,
    readonly againInS: number,
  ) {
    super(message, 503);
  }
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
  const body: unknown = await reply.json().catch(() => null);
  const again = Number(reply.headers.get("Retry-After"));
  if (again > 0) throw new UnfinishedError(inWords(body, reply.status), again);
  throw refusal(body, reply.status);
}

/** Returns what an action answers in JSON; throws `RequestError`. */
export async function analysed<Answer>(
  action: string,
  image: ImageName,
  parameters: object = {},
  signal?: AbortSignal,
): Promise<Answer> {
  return (await (await asked(action, image, parameters, signal)).json()) as Answer;
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
