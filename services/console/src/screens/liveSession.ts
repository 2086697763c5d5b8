/** A session as it is now: read by REST, then kept as the feed tells of it. */
import { signal } from "@preact/signals";
import { RequestError } from "../api/client";
import { ENDED, type Operation, readSession, type Session } from "../api/sessions";
import type { FeedEvent } from "../feed/feed";
import { feed } from "../live";
import { problemOf } from "../words";

/** Events that come together lead to one question. */
const GATHER_MS = 120;

export class LiveSession {
  readonly session = signal<Session | null>(null);
  readonly problem = signal("");
  readonly gone = signal(false);
  private readonly ended: () => void;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly id: number) {
    this.ended = feed.listen(
      { sessions: [id] },
      { heard: (event) => this.heard(event), missed: () => void this.read() },
    );
    void this.read();
  }

  close(): void {
    clearTimeout(this.timer);
    this.ended();
  }

  async read(): Promise<void> {
    try {
      this.session.value = await readSession(this.id);
      this.problem.value = "";
    } catch (error) {
      // It was there a moment ago: deleted since, or shared no longer.
      if (this.session.value !== null && error instanceof RequestError && error.status === 404) this.gone.value = true;
      this.problem.value = problemOf(error);
    }
  }

  private heard(event: FeedEvent): void {
    const session = this.session.value;
    if (event.type === "feed.session_deleted.v1") {
      this.gone.value = true;
    } else if (event.type === "feed.operation_changed.v1" && session !== null) {
      const changed = withProgress(session, event);
      if (changed === null) this.readSoon();
      else this.session.value = changed;
    } else {
      this.readSoon();
    }
  }

  private readSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.read();
    }, GATHER_MS);
  }
}

/** Returns a session with what an event says of one of its operations; null if all of it has to be read. */
export function withProgress(session: Session, event: FeedEvent): Session | null {
  const state = event["status"] as Operation["state"];
  const known = session.operations.find((operation) => operation.id === event["operation_id"]);
  if (known === undefined || ENDED.has(state)) return null; // outputs come with the operation
  const operations = session.operations.map((operation) =>
    operation === known
      ? {
          ...operation,
          state,
          operation_progress: Number(event["operation_progress"] ?? operation.operation_progress),
          message: String(event["message"] ?? ""),
        }
      : operation,
  );
  return { ...session, operations };
}
