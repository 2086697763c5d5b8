import { describe, expect, it } from "vitest";
import type { ImageName } from "../src/api/analysis";
import { blinkAddress, imagesOfAddress, MOST_IMAGES } from "../src/blink/addresses";
import { displaysOf } from "../src/blink/displays";
import { nextReady } from "../src/blink/player";
import { boxAround, overlap, stretchAt, toReference } from "../src/blink/sameSky";
import { moved } from "../src/viewer/matrix";
import { type LinearWcs, pixelOf, skyAt } from "../src/viewer/sky";
import type { Tiling } from "../src/viewer/tiling";

const SCALE = 0.7 / 3600;
const wcsOf = (ra: number, dec: number, turned: number, { scale = SCALE, flip = 1 } = {}): LinearWcs => {
  const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
  return { crval: [ra, dec], crpix: [1000, 700], cd1: [-scale * cos * flip, scale * sin], cd2: [scale * sin * flip, scale * cos] };
};
const reference = wcsOf(359.99, 61, 0);

describe("images over each other", () => {
  it.each([
    ["shifted", wcsOf(0.2, 61.1, 0)],
    ["turned after a meridian flip", wcsOf(359.98, 61.01, Math.PI + 0.02)],
    ["of other pixels", wcsOf(359.99, 61, 0.3, { scale: 2.1 * SCALE })],
    ["mirrored", wcsOf(359.99, 60.9, 1.2, { flip: -1 })],
    ["near the pole", wcsOf(120, 89.7, 2), wcsOf(140, 89.9, 0)],
  ])("have each star in one place: %s", (_, wcs, base = reference) => {
    const matrix = toReference(wcs, base);
    if (matrix === null) throw new Error("there is no way");
    for (const [x, y] of [[0, 0], [1999.5, 20], [1000, 1400], [512.25, 700]] as const) {
      const { ra, dec } = skyAt(wcs, x, y);
      const expected = pixelOf(base, ra, dec);
      const found = moved(matrix, x, y);
      expect(found.x).toBeCloseTo(expected?.x ?? Number.NaN, 4);
      expect(found.y).toBeCloseTo(expected?.y ?? Number.NaN, 4);
      expect(found.depth).toBeGreaterThan(0);
    }
  });

  it("know how much larger their pixels become", () => {
    const matrix = toReference(wcsOf(359.99, 61, 0.3, { scale: 2 * SCALE }), reference);
    expect(matrix === null ? 0 : stretchAt(matrix, 900, 700)).toBeCloseTo(2, 3);
  });

  it("are told apart where one shows another part of the sky, or the other side", () => {
    const box = { left: 0, bottom: 0, right: 2000, top: 1400 };
    const near = toReference(wcsOf(359.99, 61.1, 1), reference);
    const far = toReference(wcsOf(20, 61, 0), reference);
    const behind = toReference(wcsOf(179.99, -61, 0), reference);
    const around = (matrix: typeof near) => (matrix === null ? null : boxAround(matrix, box));
    expect(overlap(around(near) ?? box, box)).toBe(true);
    expect(overlap(around(far) ?? box, box)).toBe(false);
    expect(around(behind)).toBeNull();
  });

  it("lie by their pixels where coordinates are none", () => {
    expect(toReference({ ...reference, cd1: [0, 0] }, { ...reference, cd2: [0, 0] })).toBeNull();
  });
});

describe("addresses", () => {
  it("name images, whatever they are called", () => {
    const images: ImageName[] = [
      { source: "archive", basename: "a,b/c d%" },
      { source: "datalab", basename: "median-1" },
    ];
    const names = blinkAddress(images).replace("/blink/images/", "");
    expect(imagesOfAddress(names)).toEqual(images);
  });

  it("bear with what somebody typed", () => {
    expect(imagesOfAddress(",a,,a,%zz")).toEqual([
      { source: "archive", basename: "a" },
      { source: "archive", basename: "%zz" },
    ]);
    expect(imagesOfAddress(Array.from({ length: 80 }, (_, number) => `f${number}`).join(","))).toHaveLength(MOST_IMAGES);
  });
});

describe("playing", () => {
  it("goes on to what is ready, around and back", () => {
    const ready = [true, false, true, false];
    expect(nextReady(0, ready, 1)).toBe(2);
    expect(nextReady(2, ready, 1)).toBe(0);
    expect(nextReady(0, ready, -1)).toBe(2);
    expect(nextReady(0, [true, false], 1)).toBe(0);
  });
});

describe("limits", () => {
  const tiling = (low: number, high: number): Tiling => ({
    tile_px: 512,
    levels: [{ width: 10, height: 10 }],
    zscale: [low, high],
    percentiles: { "1": low + 1, "99": high - 1 },
    has_wcs: false,
  });
  const both = [tiling(0, 10), tiling(5, 5)];

  it("are those of the first for all, or each its own", () => {
    const showing = { limits: "99 %", same: true, stretch: "log", colours: "heat" } as const;
    const first = both[0] as Tiling;
    expect(displaysOf(both, first, showing).map(({ low, high }) => [low, high])).toEqual([[1, 9], [1, 9]]);
    const own = displaysOf(both, first, { ...showing, limits: "zscale", same: false });
    expect(own.map(({ low, high }) => [low, high])).toEqual([[0, 10], [5, 6]]);
  });
});
