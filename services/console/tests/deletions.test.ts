import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deleteLater, deleteNow, deletions, hold, isGoing, release, TIME_TO_UNDO_MS, undo, undoAll } from "../src/session/deletions";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  undoAll();
  vi.useRealTimers();
});

describe("what is deleted", () => {
  it("goes after a while, once, and lists leave it out from the beginning", async () => {
    const deed = vi.fn(async () => undefined);
    deleteLater("one", "One", deed);
    deleteLater("one", "One", deed);
    expect(isGoing("one")).toBe(true);
    expect(deed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(TIME_TO_UNDO_MS);
    expect(deed).toHaveBeenCalledTimes(1);
    expect(deletions.value).toEqual([]);
    expect(isGoing("one")).toBe(true);
  });

  it("stays if that is undone, and the server hears nothing of it", async () => {
    const deed = vi.fn(async () => undefined);
    deleteLater("two", "Two", deed);
    undo("two");
    await vi.advanceTimersByTimeAsync(2 * TIME_TO_UNDO_MS);
    expect(deed).not.toHaveBeenCalled();
    expect(isGoing("two")).toBe(false);
  });

  it("waits while somebody reads the notice", async () => {
    const deed = vi.fn(async () => undefined);
    deleteLater("three", "Three", deed);
    hold("three");
    await vi.advanceTimersByTimeAsync(2 * TIME_TO_UNDO_MS);
    expect(deed).not.toHaveBeenCalled();
    release("three");
    await vi.advanceTimersByTimeAsync(TIME_TO_UNDO_MS);
    expect(deed).toHaveBeenCalledTimes(1);
  });

  it("is there again with the reason when it could not be deleted", async () => {
    deleteLater("four", "Four", () => Promise.reject(new Error("no")));
    await deleteNow("four");
    expect(deletions.value).toMatchObject([{ state: "failed", problem: "no" }]);
    expect(isGoing("four")).toBe(false);
    undo("four");
    expect(deletions.value).toEqual([]);
  });
});
