import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Tile, TileStore, valueIn } from "../src/viewer/tileStore";
import type { Tiling } from "../src/viewer/tiling";

const tiling: Tiling = {
  tile_px: 512,
  levels: [
    { width: 1000, height: 512 },
    { width: 500, height: 256 },
  ],
  zscale: [0, 1],
  percentiles: {},
  has_wcs: false,
};
const LAST = { level: 1, column: 0, row: 0 };

type Given = { level?: number; column?: number };
let answer: (action: string, given: Given) => Promise<Response> | Response;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async (address: string, { body }: { body: string }) => answer(address.split("/")[3] ?? "", JSON.parse(body) as Given));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const values = (value: number) => new Response(new Float32Array(500 * 256).fill(value).buffer);

function store(heard: Partial<ConstructorParameters<typeof TileStore>[2]> = {}) {
  return new TileStore({ basename: "a", source: "archive" }, tiling, { arrived: () => undefined, forgotten: () => undefined, failed: () => undefined, ...heard });
}

describe("tiles", () => {
  it("have an overview in their stead until they are here", async () => {
    let come: (reply: Response) => void = () => undefined;
    answer = (action) => (action === "overview" ? values(1) : new Promise((resolve) => (come = resolve)));
    const gone: Tile[] = [];
    const made = store({ forgotten: (tile) => gone.push(tile) });
    made.want([LAST]);
    await vi.advanceTimersByTimeAsync(1);
    expect([made.has(LAST), made.get(LAST)?.pixels[0]]).toEqual([false, 1]);
    come(values(2));
    await vi.advanceTimersByTimeAsync(1);
    expect([made.has(LAST), made.get(LAST)?.pixels[0]]).toEqual([true, 2]);
    expect(gone.map((tile) => tile.pixels[0])).toEqual([1]);
    made.close();
  });

  it("say what their codes mean", async () => {
    const bytes = new ArrayBuffer(24 + 2 * 512 * 512);
    new Float64Array(bytes, 0, 3).set([-5, 0.5, 0]);
    new Uint16Array(bytes, 24).set([0, 1, 11]);
    answer = () => new Response(bytes);
    const made = store();
    const place = { level: 0, column: 0, row: 0 };
    made.want([place]);
    await vi.advanceTimersByTimeAsync(1);
    const tile = made.get(place) as Tile;
    expect([0, 1, 2].map((index) => valueIn(tile, index))).toEqual([Number.NaN, -5, 0]);
    expect(valueIn(tile, 512 * 512)).toBeNull();
    made.close();
  });

  it("are wanted again when they did not come, not for ever", async () => {
    let asked = 0;
    const problems: string[] = [];
    answer = (action) => {
      if (action === "tile") asked++;
      return new Response(JSON.stringify({ error: "too busy" }), { status: 503 });
    };
    const made = store({ arrived: () => made.want([LAST]), failed: (problem) => problems.push(problem) });
    made.want([LAST]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(4);
    expect(new Set(problems)).toEqual(new Set(["too busy"]));
    made.close();
  });

  it("are asked for no more when they are closed", async () => {
    let asked = 0;
    answer = () => {
      asked++;
      return new Response(null, { status: 503 });
    };
    const made = store({ arrived: () => made.want([LAST]) });
    made.want([LAST]);
    made.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBeLessThanOrEqual(2);
  });
});
