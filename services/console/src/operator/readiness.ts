/** Whether the API can do its work, from `/readyz`; it is no route of the API, and answers to near addresses only. */
export interface Readiness {
  ready: boolean;
  /** `ok`, or what is wrong, by the server that is needed. */
  dependencies: Record<string, string>;
}

/** Returns how the API is; a sentence if that is not said to this address. */
export async function readiness(ask: typeof fetch = fetch): Promise<Readiness | string> {
  let reply: Response;
  try {
    reply = await ask("/readyz", { headers: { Accept: "application/json" } });
  } catch {
    return "The server does not answer.";
  }
  if (reply.status !== 200 && reply.status !== 503) {
    return "How the servers are is told to machines nearby only (DATALAB_OBSERVED_FROM): ask there with datalab status.";
  }
  const said: unknown = await reply.json().catch(() => null);
  const dependencies = (said as { dependencies?: unknown } | null)?.dependencies;
  if (typeof dependencies !== "object" || dependencies === null) return `The server answered ${reply.status}.`;
  return { ready: reply.status === 200, dependencies: dependencies as Record<string, string> };
}
