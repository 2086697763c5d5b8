/** The frames of a night of a site: read once, then kept as the feed tells of them. */
import { signal } from "@preact/signals";
import { answered, api, type Frame } from "../api/client";
import type { FeedEvent } from "../feed/feed";
import { feed } from "../live";
import { problemOf } from "../words";

/** What the server hands out at once. */
const PAGE = 200;
/** Where the feed tells of people's own files, whatever site their headers name (`UPLOADS_SITE` of `datalab`). */
const UPLOADS_SITE = "uploads";
/** Frames that come in a burst are read together. */
const GATHER_MS = 150;
/** Names in one question, so that its address stays short. */
const NAMES_AT_ONCE = 25;

export interface NightChoice {
  site: string;
  /** `YYYY-MM-DD`, the evening the night began; empty for the latest frames. */
  day: string;
}

export class NightFrames {
  readonly frames = signal<readonly Frame[]>([]);
  readonly total = signal<number | null>(null);
  readonly problem = signal("");
  private readonly changed = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly ended: () => void;
  private closed = false;

  constructor(private readonly choice: NightChoice) {
    this.ended = feed.listen(
      { sites: [...new Set([choice.site, UPLOADS_SITE])] },
      { heard: (event) => this.heard(event), missed: () => void this.read() },
    );
    void this.read();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.ended();
  }

  /** Reads the night, or what follows what is known of it. */
  async read(more = false): Promise<void> {
    try {
      const offset = more ? this.frames.value.length : 0;
      const { site, day } = this.choice;
      const page = await answered(
        api.GET("/api/frames", {
          params: {
            query: {
              SITEID: site,
              ...(day === "" ? {} : { dayobs: day }),
              include_thumbnails: true,
              ordering: "-observation_date",
              limit: String(PAGE),
              offset: String(offset),
            },
          },
        }),
      );
      if (this.closed) return;
      this.frames.value = more ? merged(this.frames.value, page.results) : page.results;
      this.total.value = "count" in page ? page.count : null;
      this.problem.value = "";
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }

  private heard(event: FeedEvent): void {
    const name = String(event["basename"]);
    if (event.type === "feed.frame_deleted.v1") {
      this.frames.value = this.frames.value.filter((frame) => frame.basename !== name);
    } else if (event.type === "feed.frame_changed.v1") {
      this.changed.add(name);
      this.timer ??= setTimeout(() => void this.readChanged(), GATHER_MS);
    }
  }

  private async readChanged(): Promise<void> {
    this.timer = undefined;
    const names = [...this.changed];
    this.changed.clear();
    try {
      if (names.length > NAMES_AT_ONCE) {
        await this.read();
        return;
      }
      const found = await Promise.all(
        names.map((name) =>
          answered(api.GET("/api/frames", { params: { query: { basename_exact: name, include_thumbnails: true } } })),
        ),
      );
      if (this.closed) return;
      const day = this.choice.day.replaceAll("-", "");
      const ours = found
        .flatMap((page) => page.results)
        .filter((frame) => frame.site_id === this.choice.site)
        .filter((frame) => day === "" || (frame.DAY_OBS ?? "").replaceAll("-", "") === day);
      this.frames.value = merged(this.frames.value, ours);
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }
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
