/** A session as it is now: read by REST, then kept as the feed tells of it. */
import { signal } from "@preact/signals";
import { RequestError } from "../api/client";
import {
  ENDED,
  framesOf,
  type Operation,
  readFrames,
  readOldest,
  readOperation,
  readSession,
  type Session,
  type SessionFrame,
  withFrames,
} from "../api/sessions";
import { connected, type FeedEvent } from "../feed/feed";
import { feed } from "../live";
import { problemOf } from "../words";

/** Events that come together lead to one question. */
const GATHER_MS = 120;
/** When something could not be read, it is asked for again. */
const AGAIN_MS = 3_000;
/** Operations that are read one by one; more come with the session. */
const MOST_APART = 6;

export const NO_SUCH = "There is no such session, or it is not shared with you.";

/** Why a session that was looked at can be read no more. */
export type Gone = "deleted" | "withdrawn";

export class LiveSession {
  readonly session = signal<Session | null>(null);
  readonly problem = signal("");
  readonly gone = signal<Gone | null>(null);
  private readonly ends: (() => void)[];
  /** What the archive knows of the frames, and of which it was asked. */
  private frames: readonly SessionFrame[] = [];
  private framesAsked: string | null = null;
  private readonly stale = new Set<number>();
  private allStale = true;
  private reading = false;
  private closed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly id: number) {
    this.ends = [
      feed.listen({ sessions: [id] }, { heard: (event) => this.heard(event), missed: () => this.refresh() }),
      // What was not told while there was no connection: also that the session is shared no more.
      connected.subscribe((now) => {
        if (now) this.refresh();
      }),
    ];
    this.refresh();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const end of this.ends) end();
  }

  /** Reads one operation anew, or all of the session. */
  refresh(operation?: number): void {
    if (operation === undefined) this.allStale = true;
    else this.stale.add(operation);
    this.readAfter(0);
  }

  /** Takes over an operation as a request has just answered it. */
  take(operation: Operation): void {
    const session = this.session.value;
    if (session !== null) this.session.value = withOperation(session, operation);
  }

  /** Reads the operations that are too old to come with the session. */
  async readOlder(): Promise<void> {
    const session = this.session.value;
    if (session === null) return;
    try {
      const older = await readOldest(this.id, session.operations_count - session.operations.length);
      if (this.session.value !== null) this.session.value = withOlder(this.session.value, older);
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }

  private heard(event: FeedEvent): void {
    const session = this.session.value;
    const operation = Number(event["operation_id"]);
    if (event.type === "feed.session_deleted.v1") {
      this.gone.value = "deleted";
    } else if (event.type === "feed.operation_deleted.v1" && session !== null) {
      this.session.value = withoutOperation(session, operation);
    } else if (event.type === "feed.operation_changed.v1" && session !== null) {
      const changed = withProgress(session, event);
      if (changed !== null) this.session.value = changed;
      else {
        this.stale.add(operation);
        this.readAfter(GATHER_MS);
      }
    } else {
      this.allStale = true;
      this.readAfter(GATHER_MS);
    }
  }

  private readAfter(ms: number): void {
    if (this.reading || this.closed) return; // what reads now looks again when it is done
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(), ms);
  }

  /** Reads what is stale until nothing is: answers never overtake each other. */
  private async read(): Promise<void> {
    this.reading = true;
    try {
      while (!this.closed && this.gone.value === null && (this.allStale || this.stale.size > 0)) {
        const all = this.allStale || this.session.value === null || this.stale.size > MOST_APART;
        const some = [...this.stale];
        this.allStale = false;
        this.stale.clear();
        try {
          if (all) await this.readAll();
          else await Promise.all(some.map((each) => this.readOne(each)));
          this.problem.value = "";
        } catch (error) {
          this.failed(error);
          return;
        }
      }
    } finally {
      this.reading = false;
    }
  }

  private async readAll(): Promise<void> {
    const session = await readSession(this.id);
    const names = framesOf(session).map((frame) => frame.basename).join("\n");
    if (names !== this.framesAsked) {
      this.frames = await readFrames(this.id);
      this.framesAsked = names;
    }
    this.session.value = withFrames(withOlder(session, this.session.value?.operations ?? []), this.frames);
  }

  private async readOne(id: number): Promise<void> {
    try {
      this.take(await readOperation(this.id, id));
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 404) throw error;
      this.allStale = true; // the operation is gone, or all of the session
    }
  }

  private failed(error: unknown): void {
    const missing = error instanceof RequestError && error.status === 404;
    if (missing && this.session.value !== null) {
      this.gone.value = "withdrawn";
      return;
    }
    this.problem.value = missing ? NO_SUCH : problemOf(error);
    if (missing) return;
    this.allStale = true;
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => void this.read(), AGAIN_MS);
  }
}

/** Returns a session with what an event says of one of its operations; null if the operation has to be read. */
export function withProgress(session: Session, event: FeedEvent): Session | null {
  const state = event["status"] as Operation["state"];
  const known = session.operations.find((operation) => operation.id === event["operation_id"]);
  // Outputs come with the operation; and of one that has ended this is old news, or another attempt.
  if (known === undefined || ENDED.has(state) || ENDED.has(known.state)) return null;
  const operation_progress = Number(event["operation_progress"] ?? known.operation_progress);
  return withOperation(session, { ...known, state, operation_progress, message: String(event["message"] ?? "") });
}

/** Returns a session with an operation as it is now. */
export function withOperation(session: Session, operation: Operation): Session {
  const known = session.operations.some((each) => each.id === operation.id);
  const operations = known
    ? session.operations.map((each) => (each.id === operation.id ? operation : each))
    : [...session.operations, operation];
  return { ...session, operations, operations_count: session.operations_count + (known ? 0 : 1) };
}

function withoutOperation(session: Session, id: number): Session {
  const operations = session.operations.filter((each) => each.id !== id);
  const gone = session.operations.length - operations.length;
  return { ...session, operations, operations_count: session.operations_count - gone };
}

/** Returns a session, which comes with its latest operations, with those before them that are known. */
export function withOlder(session: Session, known: readonly Operation[]): Session {
  const first = Math.min(...session.operations.map((operation) => operation.id));
  const room = session.operations_count - session.operations.length;
  const older = known.filter((operation) => operation.id < first).slice(0, room);
  return { ...session, operations: [...older, ...session.operations] };
}
