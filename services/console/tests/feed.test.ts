import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connected, Feed, type FeedEvent } from "../src/feed/feed";

class FakeSocket {
  static all: FakeSocket[] = [];
  sent: { action: string; [field: string]: unknown }[] = [];
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((closing: { code: number }) => void) | null = null;
  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text) as { action: string });
  }
  close() {
    this.end(1000);
  }
  end(code: number) {
    this.onclose?.({ code });
  }
  say(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  welcome(sequence: number, epoch = "one") {
    this.say({ type: "welcome", epoch, sequence, user: "ada" });
  }
  event(sequence: number, site: string) {
    this.say({ type: "event", sequence, event: { type: "feed.frame_changed.v1", site, basename: `frame ${sequence}` } });
  }
}

function latest(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (socket === undefined) throw new Error("nothing was opened");
  return socket;
}

describe("the feed", () => {
  const refused = vi.fn();
  let feed: Feed;
  const heard: string[] = [];
  const missed = vi.fn();

  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    heard.length = 0;
    missed.mockClear();
    refused.mockClear();
    feed = new Feed("ws://x/api/feed", refused, () => new FakeSocket() as unknown as WebSocket);
    feed.listen({ sites: ["tst"] }, { heard: (event: FeedEvent) => heard.push(String(event["basename"])), missed });
    feed.start();
  });
  afterEach(() => {
    feed.stop();
    vi.useRealTimers();
  });

  it("asks for what was missed, and hears nothing twice", () => {
    latest().welcome(10);
    expect(latest().sent).toEqual([{ action: "subscribe", sites: ["tst"], sessions: [] }]);
    latest().event(11, "tst");
    latest().event(12, "tst");
    latest().end(1006);
    expect(connected.value).toBe(false);
    vi.advanceTimersByTime(300);
    latest().welcome(14);
    expect(latest().sent[0]).toMatchObject({ resume: { epoch: "one", sequence: 12 } });
    latest().event(12, "tst");
    latest().event(13, "tst");
    expect(heard).toEqual(["frame 11", "frame 12", "frame 13"]);
  });

  it("tells of gaps, and of nothing on other sites", () => {
    latest().welcome(1);
    latest().event(2, "elsewhere");
    latest().say({ type: "gap", from: 1, to: 5, detail: "" });
    expect(heard).toEqual([]);
    expect(missed).toHaveBeenCalledOnce();
  });

  it("has a session read that is not to be heard any more, and no other", () => {
    const gone = vi.fn();
    feed.listen({ sessions: [13] }, { heard: () => undefined, missed: gone });
    latest().welcome(10);
    latest().say({ type: "error", detail: "No DataSession matches the given query.", sessions: [13] });
    expect(gone).toHaveBeenCalledTimes(1);
    expect(missed).not.toHaveBeenCalled();
  });

  it("begins anew with another stream of events", () => {
    latest().welcome(100);
    latest().event(101, "tst");
    latest().end(1006);
    vi.advanceTimersByTime(300);
    latest().welcome(3, "two");
    latest().say({ type: "subscribed", epoch: "two", sequence: 3, sessions: [], sites: ["tst"] });
    latest().event(4, "tst");
    expect(heard).toEqual(["frame 101", "frame 4"]);
  });

  it("gives a silent connection up, and waits longer each time nobody answers", () => {
    latest().welcome(1);
    vi.advanceTimersByTime(45_000);
    for (const wait of [250, 500, 1000]) {
      const before = FakeSocket.all.length;
      vi.advanceTimersByTime(wait - 1);
      expect(FakeSocket.all.length).toBe(before);
      vi.advanceTimersByTime(1);
      expect(FakeSocket.all.length).toBe(before + 1);
      latest().end(1006);
    }
  });

  it("connects anew at once after a sleep, and leaves a connection that speaks alone", () => {
    latest().welcome(1);
    latest().event(2, "tst");
    feed.wake();
    expect(FakeSocket.all.length).toBe(1);
    vi.setSystemTime(Date.now() + 30_000); // timers stood still
    feed.wake();
    expect(FakeSocket.all.length).toBe(2);
    latest().welcome(3);
    expect(latest().sent[0]).toMatchObject({ resume: { epoch: "one", sequence: 2 } });
    FakeSocket.all[0]?.event(3, "tst");
    latest().event(3, "tst");
    expect(heard).toEqual(["frame 2", "frame 3"]);
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("does not come back when the login has ended", () => {
    latest().end(4401);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all.length).toBe(1);
    expect(refused).toHaveBeenCalledOnce();
  });
});
