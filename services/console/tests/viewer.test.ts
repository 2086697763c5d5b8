import { describe, expect, it } from "vitest";
import { compass, pixelOf, pixelScale, scaleBar, sexagesimal, skyAt } from "../src/viewer/sky";
import { brightness, colourTable, type Display } from "../src/viewer/stretch";
import { levelFor, parentOf, tilesSeen, type Tiling, wholeImage, zoomedAt } from "../src/viewer/tiling";

const tiling: Tiling = {
  tile_px: 512,
  levels: [
    { width: 1300, height: 1100 },
    { width: 650, height: 550 },
    { width: 325, height: 275 },
  ],
  zscale: [0, 1],
  percentiles: {},
  has_wcs: true,
};

describe("tiles", () => {
  it("has the level whose pixels are at most those of the screen", () => {
    expect([4, 1, 0.9, 0.5, 0.49, 0.25, 0.01].map((scale) => levelFor(tiling, scale))).toEqual([0, 0, 0, 1, 1, 2, 2]);
  });

  it("needs what is seen, from the middle on, and nothing outside of the image", () => {
    const names = (view: { x: number; y: number; scale: number }, level: number) =>
      tilesSeen(tiling, level, view, 400, 300).map((place) => `${place.column},${place.row}`);
    expect(names({ x: 600, y: 100, scale: 1 }, 0)).toEqual(["1,0", "0,0"]);
    expect(names({ x: 1290, y: 1090, scale: 1 }, 0)).toEqual(["2,2", "2,1"]);
    expect(names({ x: -5000, y: 0, scale: 1 }, 0)).toEqual([]);
    const all = wholeImage(tiling, 400, 300);
    expect(tilesSeen(tiling, 2, all, 400, 300)).toEqual([{ level: 2, column: 0, row: 0 }]);
    expect(tilesSeen(tiling, 0, all, 400, 300)).toHaveLength(9);
  });

  it("knows what shows the same in half the size", () => {
    expect(parentOf({ level: 0, column: 2, row: 1 })).toEqual({ level: 1, column: 1, row: 0 });
  });

  it("zooms around the pointer", () => {
    const view = { x: 100, y: 200, scale: 1 };
    const zoomed = zoomedAt(view, 4, 50, -30, [0.1, 64]);
    expect(zoomed.x + 50 / zoomed.scale).toBeCloseTo(150);
    expect(zoomed.y - 30 / zoomed.scale).toBeCloseTo(170);
    expect(zoomedAt(view, 1e9, 0, 0, [0.1, 64]).scale).toBe(64);
  });
});

describe("the display", () => {
  it.each(["linear", "sqrt", "asinh", "log"] as const)("%s goes from black to white and never back", (stretch) => {
    const display: Display = { low: 100, high: 300, stretch, colours: "grey" };
    expect(brightness(50, display)).toBe(0);
    expect(brightness(100, display)).toBe(0);
    expect(brightness(300, display)).toBeCloseTo(1);
    expect(brightness(1e9, display)).toBeCloseTo(1);
    let before = -1;
    for (let value = 100; value <= 300; value += 10) {
      expect(brightness(value, display)).toBeGreaterThan(before);
      before = brightness(value, display);
    }
  });

  it("has 256 opaque colours", () => {
    const table = colourTable("inverted");
    expect([...table.slice(0, 4), ...table.slice(-4)]).toEqual([255, 255, 255, 255, 0, 0, 0, 255]);
  });
});

describe("the sky", () => {
  const scale = 0.5 / 3600;
  const wcs = {
    crval: [350, 60] as [number, number],
    crpix: [513, 513] as [number, number],
    cd1: [-scale, 0] as [number, number],
    cd2: [0, scale] as [number, number],
  };

  it("is where astropy has it", () => {
    // astropy.wcs.WCS of this header, pixel_to_world_values(origin 0) of the pixel centres
    expect(skyAt(wcs, 512.5, 512.5).ra).toBeCloseTo(350, 9);
    const there = skyAt(wcs, 0.5, 1000.5);
    expect(there.ra).toBeCloseTo(350.142513929, 8);
    expect(there.dec).toBeCloseTo(60.067701103, 8);
  });

  it("has the pixel of each position, and none behind", () => {
    for (const [x, y] of [[0.5, 1000.5], [1023, 3], [512.5, 512.5]] as const) {
      const { ra, dec } = skyAt(wcs, x, y);
      const there = pixelOf(wcs, ra, dec);
      expect(there?.x).toBeCloseTo(x, 6);
      expect(there?.y).toBeCloseTo(y, 6);
    }
    expect(pixelOf(wcs, 170, -60)).toBeNull();
  });

  it("has north up and east to the left here", () => {
    const { north, east } = compass(wcs);
    expect([north, east].flat().map((each) => Math.round(each) + 0)).toEqual([0, 1, -1, 0]);
    expect(pixelScale(wcs)).toBeCloseTo(0.5);
  });

  it("is written as people read it, also where seconds are rounded up to a minute", () => {
    expect(sexagesimal(187.5, -0.5)).toBe("12h 30m 00.00s −00° 30′ 00.0″");
    expect(sexagesimal(359.9999999, 89.99999999)).toBe("00h 00m 00.00s +90° 00′ 00.0″");
  });

  it("has a bar of an even length", () => {
    expect(scaleBar(1, 800)).toEqual({ lengthPx: 120, label: "2′" });
    expect(scaleBar(0.001, 800).label).toBe("0.1″");
  });
});
