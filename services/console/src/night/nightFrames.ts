/** The frames that a question finds: read in pages, then kept as the feed tells of them. */
import { batch, signal } from "@preact/signals";
import { answered, api, type Frame } from "../api/client";
import type { FeedEvent } from "../feed/feed";
import { feed } from "../live";
import { problemOf } from "../words";
import { dropChosen } from "./chosen";
import { byTime, type FrameQuery, type NightQuestion } from "./nightQuestion";

/** What the server hands out at once. */
const PAGE = 200;
/** More are not kept in a page: whoever looks for one of them asks for less. */
export const MOST_KEPT = 5_000;
/** Where the feed tells of people's own files, whatever site their headers name (`UPLOADS_SITE` of `datalab`). */
const UPLOADS_SITE = "uploads";
/** A connection listens to 200 (docs/feed.md); sessions and uploads come besides. */
const MOST_SITES = 190;
/** Frames that come in a burst are read together. */
const GATHER_MS = 150;
const RETRY_MS = 2_000;
/** More names than these are not asked for one by one: the first page is read again. */
const NAMES_AT_ONCE = 12;
const MOST_REFUSALS = 20;

/** A file that a site sent, and that was not taken. */
export interface Refusal {
  key: string;
  reason: string;
}

export class NightFrames {
  readonly frames = signal<readonly Frame[]>([]);
  readonly total = signal<number | null>(null);
  /** How many have arrived that are not among `frames` yet. */
  readonly waiting = signal(0);
  readonly problem = signal("");
  /** Whether something of what happened was not told. */
  readonly gap = signal(false);
  readonly refusals = signal<readonly Refusal[]>([]);
  private readonly changed = new Set<string>();
  private readonly newestFirst: boolean;
  private listened: ReadonlySet<string> | null = null;
  /** Whether the first page is to be read again. */
  private outdated = false;
  private held = false;
  private closed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = 0;
  /** Grows when the frames are others than before, not more of the same. */
  private generation = 0;
  private more: Promise<boolean> | null = null;
  private ended = () => {};

  constructor(
    question: NightQuestion,
    private readonly query: FrameQuery,
  ) {
    this.newestFirst = byTime(question);
    void this.read();
  }

  /** Listens to sites, and to no others any more. What came of a site before it was listened to is read. */
  listenTo(sites: readonly string[]): void {
    const former = this.ended;
    const listened = [...new Set([UPLOADS_SITE, ...sites])].slice(0, MOST_SITES);
    this.ended = feed.listen({ sites: listened }, { heard: (event) => this.heard(event), missed: () => this.missed() });
    former();
    if (this.listened !== null && listened.some((site) => this.listened?.has(site) === false)) this.refresh();
    this.listened = new Set(listened);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.ended();
  }

  /** While it is held, frames that arrive wait, so that what is looked at stays where it is. */
  hold(held: boolean): void {
    this.held = held;
    if (!held && this.newestFirst && this.waiting.value > 0) void this.read();
  }

  /** Reads the first page, with all that waited. */
  async read(): Promise<void> {
    const reading = (this.reading += 1);
    try {
      const page = await this.page(0);
      if (this.closed || reading !== this.reading) return;
      this.replace(page.results, page.count);
    } catch (error) {
      if (!this.closed && reading === this.reading) this.problem.value = problemOf(error);
    }
  }

  /** Reads what follows the frames that are known; tells whether there was more. Asked again meanwhile, it is the same. */
  readMore(): Promise<boolean> {
    this.more ??= this.following().finally(() => (this.more = null));
    return this.more;
  }

  private async following(): Promise<boolean> {
    try {
      for (;;) {
        const known = this.frames.value;
        if (this.closed || known.length >= Math.min(this.total.value ?? 0, MOST_KEPT)) return false;
        const { generation } = this;
        const page = await this.page(known.length + this.waiting.value);
        if (generation !== this.generation) continue;
        const names = new Set(this.frames.value.map((frame) => frame.basename));
        const fresh = page.results.filter((frame) => !names.has(frame.basename));
        batch(() => {
          this.frames.value = [...this.frames.value, ...fresh].slice(0, MOST_KEPT);
          this.total.value = page.results.length === 0 ? this.frames.value.length : Math.max(this.frames.value.length, page.count - this.waiting.value);
          this.problem.value = "";
        });
        return page.results.length > 0;
      }
    } catch (error) {
      if (!this.closed) this.problem.value = problemOf(error);
      return false;
    }
  }

  private replace(frames: readonly Frame[], count: number): void {
    this.generation += 1;
    batch(() => {
      this.frames.value = frames;
      this.total.value = count;
      this.waiting.value = 0;
      this.problem.value = "";
    });
  }

  private async page(offset: number) {
    const query = { ...this.query, limit: String(PAGE), offset: String(offset) };
    const page = await answered(api.GET("/api/frames", { params: { query } }));
    return { results: page.results, count: "count" in page ? page.count : page.results.length };
  }

  private missed(): void {
    this.gap.value = true;
    this.refresh();
  }

  /** Looks how things are by now, without moving what is looked at. */
  refresh(): void {
    this.outdated = true;
    this.again(GATHER_MS);
  }

  private heard(event: FeedEvent): void {
    const name = String(event["basename"]);
    if (event.type === "feed.frame_deleted.v1") this.remove(name);
    else if (event.type === "feed.file_refused.v1") {
      const refusal = { key: String(event["key"]), reason: String(event["reason"]) };
      this.refusals.value = [refusal, ...this.refusals.value].slice(0, MOST_REFUSALS);
    } else if (event.type === "feed.frame_changed.v1") {
      this.changed.add(name);
      this.again(GATHER_MS);
    }
  }

  private remove(name: string): void {
    dropChosen(name);
    this.changed.delete(name);
    const kept = this.frames.value.filter((frame) => frame.basename !== name);
    if (kept.length === this.frames.value.length) {
      this.refresh(); // one that waits, or that was not read yet
      return;
    }
    this.generation += 1;
    this.frames.value = kept;
    this.total.value = Math.max(kept.length, (this.total.value ?? 0) - 1);
  }

  private again(milliseconds: number): void {
    if (!this.closed) this.timer ??= setTimeout(() => void this.catchUp(), milliseconds);
  }

  /** Reads what the feed has told of, one question after the other. */
  private async catchUp(): Promise<void> {
    const names = [...this.changed];
    this.changed.clear();
    const { outdated } = this;
    this.outdated = false;
    try {
      if (outdated || names.length > NAMES_AT_ONCE || this.total.value === null) await this.readFirst();
      else await this.readNamed(names);
      this.timer = undefined;
      if (this.changed.size > 0 || this.outdated) this.again(GATHER_MS);
    } catch {
      // The server is away: what was told is not told again.
      for (const name of names) this.changed.add(name);
      this.outdated ||= outdated;
      this.timer = undefined;
      this.again(RETRY_MS);
    }
  }

  private async readNamed(names: readonly string[]): Promise<void> {
    const found = await Promise.all(
      names.map((name) => answered(api.GET("/api/frames", { params: { query: { ...this.query, basename_exact: name } } }))),
    );
    if (this.closed) return;
    const frames = found.flatMap((page) => page.results);
    const fresh = this.fresh(frames);
    this.frames.value = updated(this.frames.value, frames);
    if (fresh.length === 0) return;
    if (this.waits) {
      await this.readFirst(); // tells how many wait by now
      return;
    }
    this.generation += 1;
    batch(() => {
      this.frames.value = merged(this.frames.value, fresh).slice(0, MOST_KEPT);
      this.total.value = (this.total.value ?? 0) + fresh.length;
      this.problem.value = "";
    });
  }

  private async readFirst(): Promise<void> {
    const reading = (this.reading += 1);
    const page = await this.page(0);
    if (this.closed || reading !== this.reading) return;
    if (!this.waits) {
      // Between these and what was known there may be others, which come when one goes on.
      this.replace(page.results, page.count);
      return;
    }
    batch(() => {
      this.frames.value = updated(this.frames.value, page.results);
      this.waiting.value = Math.max(0, page.count - (this.total.value ?? 0));
      this.problem.value = "";
    });
  }

  /** Whether frames that arrive wait. */
  private get waits(): boolean {
    return (this.held || !this.newestFirst) && this.total.value !== 0;
  }

  /** Returns the frames that are not known yet, but for those that are read when one goes on. */
  private fresh(frames: readonly Frame[]): Frame[] {
    const known = this.frames.value;
    const names = new Set(known.map((frame) => frame.basename));
    const last = known.length < (this.total.value ?? 0) && this.newestFirst ? known.at(-1) : undefined;
    return frames.filter(
      (frame) => !names.has(frame.basename) && (last === undefined || (frame.observation_date ?? "") >= (last.observation_date ?? "")),
    );
  }
}

/** Returns the same frames, each as it is now. */
function updated(known: readonly Frame[], others: readonly Frame[]): readonly Frame[] {
  const byName = new Map(others.map((frame) => [frame.basename, frame]));
  return known.map((frame) => byName.get(frame.basename) ?? frame);
}

/** Returns frames with others, which count more where both are; the latest first. */
export function merged(known: readonly Frame[], others: readonly Frame[]): Frame[] {
  const byName = new Map(known.map((frame) => [frame.basename, frame]));
  for (const frame of others) byName.set(frame.basename, frame);
  return [...byName.values()].sort(
    (one, other) =>
      (other.observation_date ?? "").localeCompare(one.observation_date ?? "") || other.id - one.id,
  );
}
