/**
 * The feed of this server: every event of what is listened to, once, also after a night's sleep of the computer.
 *
 * The connection comes back by itself and asks for what was missed since (docs/feed.md). What is no longer kept is told
 * as a gap, and whoever listens reads the present state anew.
 */
import { signal } from "@preact/signals";

/** An event as it was published: what is in it depends on its type (`/api/asyncapi.json`). */
export interface FeedEvent {
  type: string;
  [field: string]: unknown;
}

type ServerFrame = FeedEvent & { sequence?: number; event?: FeedEvent };

export interface Listener {
  /** An event of a topic this listens to. */
  heard(event: FeedEvent): void;
  /** Events were missed for good: read by REST how things are. */
  missed(): void;
}

export interface Topics {
  sites?: readonly string[];
  sessions?: readonly number[];
}

interface Position {
  epoch: string;
  sequence: number;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 8_000;
/** The server says something at least every 20 s. */
const SILENCE_MS = 45_000;
/** Who comes back after a while without a word connects anew at once. */
const SUSPICIOUS_SILENCE_MS = 22_000;
const UNAUTHENTICATED = 4401;

/** Whether there is a connection. */
export const connected = signal(false);

export class Feed {
  private socket: WebSocket | null = null;
  private position: Position | null = null;
  private readonly listeners = new Map<Listener, Topics>();
  private readonly newest = new Map<string, number>();
  private retryMs = FIRST_RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted = false;
  private heardAt = 0;

  constructor(
    private readonly url: string,
    private readonly refused: () => void,
    private readonly open: (url: string) => WebSocket = (address) => new WebSocket(address),
  ) {}

  /** Connects, and stays so until `stop`. */
  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.connect();
  }

  stop(): void {
    this.wanted = false;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
    connected.value = false;
  }

  /** Connects at once if there is no connection, or none that can be trusted: after a sleep, or with the network back. */
  wake(): void {
    if (!this.wanted) return;
    const trusted = connected.value && Date.now() - this.heardAt < SUSPICIOUS_SILENCE_MS;
    if (trusted) return;
    clearTimeout(this.timer);
    const former = this.socket;
    this.retryMs = FIRST_RETRY_MS;
    connected.value = false;
    this.connect();
    former?.close();
  }

  /** Listens to topics; returns what ends it. */
  listen(topics: Topics, listener: Listener): () => void {
    this.listeners.set(listener, topics);
    this.say({ action: "subscribe", ...topics });
    return () => {
      this.listeners.delete(listener);
      const kept = this.topics();
      this.say({
        action: "unsubscribe",
        sites: (topics.sites ?? []).filter((site) => !kept.sites.includes(site)),
        sessions: (topics.sessions ?? []).filter((session) => !kept.sessions.includes(session)),
      });
    };
  }

  private topics(): { sites: string[]; sessions: number[] } {
    const all = [...this.listeners.values()];
    return {
      sites: [...new Set(all.flatMap((topics) => topics.sites ?? []))],
      sessions: [...new Set(all.flatMap((topics) => topics.sessions ?? []))],
    };
  }

  private connect(): void {
    const socket = this.open(this.url);
    this.socket = socket;
    socket.onmessage = (message) => {
      if (this.socket === socket) this.take(JSON.parse(String(message.data)) as ServerFrame);
    };
    socket.onclose = (closing) => {
      if (this.socket !== socket) return;
      connected.value = false;
      clearTimeout(this.timer);
      if (closing.code === UNAUTHENTICATED) {
        this.wanted = false;
        this.refused();
      } else if (this.wanted) {
        this.timer = setTimeout(() => this.connect(), this.retryMs);
        this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
      }
    };
    this.watch();
  }

  private watch(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket?.close(), SILENCE_MS);
  }

  private say(frame: object): void {
    if (connected.value) this.socket?.send(JSON.stringify(frame));
  }

  private take(frame: ServerFrame): void {
    this.heardAt = Date.now();
    this.watch();
    switch (frame.type) {
      case "welcome": {
        connected.value = true;
        this.retryMs = FIRST_RETRY_MS;
        const known = this.position;
        this.position ??= { epoch: String(frame["epoch"]), sequence: Number(frame["sequence"]) };
        const topics = this.topics();
        if (topics.sites.length > 0 || topics.sessions.length > 0) {
          this.say({ action: "subscribe", ...topics, ...(known === null ? {} : { resume: known }) });
        }
        break;
      }
      case "subscribed":
        if (this.position?.epoch !== frame["epoch"]) {
          this.position = { epoch: String(frame["epoch"]), sequence: Number(frame["sequence"]) };
          this.newest.clear();
        }
        break;
      case "gap":
        for (const listener of this.listeners.keys()) listener.missed();
        break;
      case "error": // of sessions that are not to be heard any more; whoever shows them finds out by REST
        for (const [listener, topics] of this.listeners) {
          if (topics.sessions?.some((session) => (frame["sessions"] as number[] | undefined)?.includes(session))) listener.missed();
        }
        break;
      case "event":
        if (frame.event !== undefined && frame.sequence !== undefined) this.deliver(frame.event, frame.sequence);
        break;
      default: // a sign of life, or an answer to what was said
    }
  }

  private deliver(event: FeedEvent, sequence: number): void {
    const topic = "site" in event ? `site ${String(event["site"])}` : `session ${String(event["session_id"])}`;
    if (sequence <= (this.newest.get(topic) ?? -1)) return; // a replay repeats what others have heard
    this.newest.set(topic, sequence);
    if (this.position !== null) this.position.sequence = Math.max(this.position.sequence, sequence);
    for (const [listener, topics] of [...this.listeners]) {
      const concerned =
        topics.sites?.includes(String(event["site"])) === true ||
        topics.sessions?.includes(Number(event["session_id"])) === true;
      if (concerned) listener.heard(event);
    }
  }
}
