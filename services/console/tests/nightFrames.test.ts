import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Frame } from "../src/api/client";
import type { Listener, Topics } from "../src/feed/feed";

const asked = vi.hoisted(() => ({ get: vi.fn() }));
const heard = vi.hoisted(() => ({ listen: vi.fn() }));
vi.mock("../src/live", () => ({ feed: heard }));
vi.mock("../src/api/client", async (original) => ({ ...(await original<object>()), api: { GET: asked.get } }));

const { NightFrames } = await import("../src/night/nightFrames");
const { EVERYTHING } = await import("../src/night/nightQuestion");

const GATHERED_MS = 200;
const frame = (number: number, more: Partial<Frame> = {}) =>
  ({ id: number, basename: `frame ${number}`, observation_date: `2026-03-15T00:${String(number).padStart(2, "0")}:00Z`, ...more }) as Frame;
const names = (frames: readonly Frame[]) => frames.map((each) => each.id);

describe("frames of a night", () => {
  let archive: Frame[];
  let away: boolean;
  let listener: Listener;
  let topics: Topics;
  let night: InstanceType<typeof NightFrames>;

  const arrive = (...numbers: number[]) => {
    archive = [...numbers.map((number) => frame(number)), ...archive].sort((one, other) => other.id - one.id);
    for (const number of numbers) listener.heard({ type: "feed.frame_changed.v1", site: "tst", basename: `frame ${number}` });
  };

  beforeEach(async () => {
    vi.useFakeTimers();
    archive = [frame(2), frame(1)];
    away = false;
    asked.get.mockImplementation((_: string, { params }: { params: { query: Record<string, string> } }) => {
      if (away) return Promise.reject(new TypeError("away"));
      const { basename_exact: name, limit = "50", offset = "0" } = params.query;
      const fitting = archive.filter((each) => name === undefined || each.basename === name);
      const results = fitting.slice(Number(offset), Number(offset) + Number(limit));
      return Promise.resolve({ data: { count: fitting.length, results }, response: new Response() });
    });
    heard.listen.mockImplementation((told: Topics, listens: Listener) => {
      [topics, listener] = [told, listens];
      return () => undefined;
    });
    night = new NightFrames(EVERYTHING, { ordering: "-observation_date" });
    night.listenTo(["tst"]);
    await vi.advanceTimersByTimeAsync(0);
  });
  afterEach(() => {
    night.close();
    vi.useRealTimers();
    vi.clearAllMocks();
  });

  it("appear where they belong, and go when they are deleted", async () => {
    expect(topics.sites).toEqual(["uploads", "tst"]);
    arrive(4);
    arrive(3);
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([4, 3, 2, 1]);
    expect(night.total.value).toBe(4);
    listener.heard({ type: "feed.frame_deleted.v1", site: "tst", basename: "frame 3" });
    expect(names(night.frames.value)).toEqual([4, 2, 1]);
    expect(night.total.value).toBe(3);
  });

  it("wait while somebody looks at others, which are kept up to date", async () => {
    night.hold(true);
    arrive(3);
    archive[1] = frame(2, { target_name: "M 51" });
    listener.heard({ type: "feed.frame_changed.v1", site: "tst", basename: "frame 2" });
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([2, 1]);
    expect(night.frames.value[0]?.target_name).toBe("M 51");
    expect(night.waiting.value).toBe(1);
    night.hold(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(names(night.frames.value)).toEqual([3, 2, 1]);
    expect(night.waiting.value).toBe(0);
  });

  it("are counted, not asked for one by one, when many come at once", async () => {
    night.hold(true);
    asked.get.mockClear();
    arrive(...Array.from({ length: 500 }, (_, place) => place + 3));
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(asked.get).toHaveBeenCalledTimes(1);
    expect(night.waiting.value).toBe(500);
    expect(names(night.frames.value)).toEqual([2, 1]);
    // News of some of them make them no more.
    for (const number of [3, 4, 5]) listener.heard({ type: "feed.frame_changed.v1", site: "tst", basename: `frame ${number}` });
    await vi.advanceTimersByTimeAsync(2 * GATHERED_MS);
    expect(night.waiting.value).toBe(500);
  });

  it("that follow are read when one goes on, whatever is told of meanwhile", async () => {
    archive = Array.from({ length: 450 }, (_, place) => frame(450 - place, { observation_date: new Date(Date.UTC(2026, 2, 15, 0, 450 - place)).toISOString() }));
    await night.read();
    expect(night.frames.value).toHaveLength(200);
    night.hold(true);
    // One that was not read yet is not new.
    listener.heard({ type: "feed.frame_changed.v1", site: "tst", basename: "frame 7" });
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(night.waiting.value).toBe(0);
    const more = [night.readMore(), night.readMore()];
    listener.heard({ type: "feed.frame_deleted.v1", site: "tst", basename: "frame 449" });
    archive = archive.filter((each) => each.id !== 449);
    expect(await Promise.all(more)).toEqual([true, true]);
    expect(await night.readMore()).toBe(true);
    expect(await night.readMore()).toBe(false);
    expect(names(night.frames.value)).toEqual(archive.map((each) => each.id));
  });

  it("are read when the server answers again", async () => {
    away = true;
    arrive(3);
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([2, 1]);
    away = false;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(names(night.frames.value)).toEqual([3, 2, 1]);
  });

  it("are read anew after a gap, which is told", async () => {
    archive.unshift(frame(9));
    listener.missed();
    expect(night.gap.value).toBe(true);
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([9, 2, 1]);
  });

  it("of a site that is new are read, too", async () => {
    archive.unshift(frame(5));
    night.listenTo(["tst"]);
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([2, 1]);
    night.listenTo(["tst", "new"]);
    await vi.advanceTimersByTimeAsync(GATHERED_MS);
    expect(names(night.frames.value)).toEqual([5, 2, 1]);
  });

  it("that are not taken are told with the reason, the latest first", () => {
    for (let number = 1; number <= 30; number += 1) {
      listener.heard({ type: "feed.file_refused.v1", site: "tst", key: `data/${number}.fits`, reason: "not a FITS file" });
    }
    expect(night.refusals.value).toHaveLength(20);
    expect(night.refusals.value[0]).toEqual({ key: "data/30.fits", reason: "not a FITS file" });
  });
});
