import { describe, expect, it } from "vitest";
import { shifted } from "../src/viewer/distortion";
import { labelOfDec, labelOfRa, skySeen } from "../src/viewer/grid";
import { outline, reachOf } from "../src/viewer/histogram";
import { factsAsCsv, tableAsCsv } from "../src/viewer/measuring";
import { aroundCircle, clippedBox, clippedLine } from "../src/viewer/shapes";
import { isRough, type LinearWcs, pixelOf, skyAt } from "../src/viewer/sky";
import type { Tiling } from "../src/viewer/tiling";
import distorted from "./distorted.json";

const size = { width: 100, height: 50 };

describe("what is drawn", () => {
  it("is cut where the image ends: lines at the outermost pixel centres", () => {
    expect(clippedLine({ from: { x: -10, y: 20 }, to: { x: 200, y: 20 } }, size)).toEqual({ from: { x: 0.5, y: 20 }, to: { x: 99.5, y: 20 } });
    expect(clippedLine({ from: { x: 10, y: 10 }, to: { x: 20, y: 15 } }, size)).toEqual({ from: { x: 10, y: 10 }, to: { x: 20, y: 15 } });
    const steep = clippedLine({ from: { x: 0.5, y: 100.5 }, to: { x: 60.5, y: 40.5 } }, size);
    expect(steep?.from.x).toBeCloseTo(51.5);
    expect(steep?.from.y).toBeCloseTo(49.5);
  });

  it.each([
    [{ x: -10, y: 20 }, { x: -1, y: 20 }],
    [{ x: -10, y: 0.5 }, { x: 5, y: -20 }],
    [{ x: 10, y: 60 }, { x: 10, y: 60 }],
  ])("from %o to %o touches nothing", (from, to) => {
    expect(clippedLine({ from, to }, size)).toBeNull();
  });

  it("is a box, or none", () => {
    expect(clippedBox({ from: { x: 90, y: 60 }, to: { x: 120, y: 40 } }, size)).toEqual({ from: { x: 90, y: 50 }, to: { x: 100, y: 40 } });
    expect(clippedBox({ from: { x: 101, y: 3 }, to: { x: 120, y: 40 } }, size)).toBeNull();
    expect(aroundCircle({ from: { x: 10, y: 10 }, to: { x: 13, y: 14 } })).toEqual({ from: { x: 5, y: 5 }, to: { x: 15, y: 15 } });
  });
});

describe("what is copied", () => {
  it("has all digits, and quotes where they are needed", () => {
    const facts = [{ name: "Left by the fit, rms", value: 0.1 + 0.2 }, { name: "FWHM", value: 3, unit: "px" }, { name: "Sky", value: null }];
    expect(factsAsCsv(facts)).toBe('quantity,value,unit\r\n"Left by the fit, rms",0.30000000000000004,\r\nFWHM,3,px\r\nSky,,\r\n');
    expect(tableAsCsv({ columns: ["a", "b"], rows: [[1, null], [2.5, -3]] })).toBe("a,b\r\n1,\r\n2.5,-3\r\n");
  });
});

describe("distorted coordinates", () => {
  const wcs = distorted as unknown as LinearWcs;

  it("are those of astropy, and lead back", () => {
    for (const [x, y, ra, dec] of distorted.positions as [number, number, number, number][]) {
      const found = skyAt(wcs, x - 0.5, y - 0.5);
      expect(found.ra).toBeCloseTo(ra, 7);
      expect(found.dec).toBeCloseTo(dec, 7);
      const back = pixelOf(wcs, ra, dec);
      expect(back?.x).toBeCloseTo(x - 0.5, 3);
      expect(back?.y).toBeCloseTo(y - 0.5, 3);
    }
    // It would not do without.
    const [moved] = shifted(distorted.distortion as NonNullable<LinearWcs["distortion"]>, 2000, 1500);
    expect(Math.abs(moved - 2000)).toBeGreaterThan(1);
  });

  it("are rough where that is said, or not known", () => {
    expect(isRough(wcs)).toBe(false);
    expect(isRough({ ...wcs, distortion: null })).toBe(false);
    for (const accuracy_px of [3, null]) expect(isRough({ ...wcs, distortion: { ...wcs.distortion!, accuracy_px } })).toBe(true);
  });
});

describe("the grid", () => {
  const wcs: LinearWcs = { crval: [0, 10], crpix: [50, 50], cd1: [-0.001, 0], cd2: [0, 0.001] };

  it("knows no jump at 24 h", () => {
    const { ra, dec } = skySeen({ view: { x: 49.5, y: 49.5, scale: 1 }, width: 100, height: 100 }, wcs);
    expect(ra.to - ra.from).toBeCloseTo(0.1 / Math.cos((10 * Math.PI) / 180), 3);
    expect(dec.to - dec.from).toBeCloseTo(0.1, 4);
  });

  it("goes all around a pole", () => {
    const polar: LinearWcs = { ...wcs, crval: [0, 90] };
    expect(skySeen({ view: { x: 49.5, y: 49.5, scale: 1 }, width: 100, height: 100 }, polar)).toMatchObject({ ra: { from: 0, to: 360 }, dec: { to: 90 } });
  });

  it("is labelled with as many digits as its steps need", () => {
    expect(labelOfDec(-0.5, 1 / 60)).toBe("−00° 30′");
    expect(labelOfDec(12.5 + 1.5 / 3600, 0.5 / 3600)).toBe("+12° 30′ 01.5″");
    expect(labelOfDec(-0, 1)).toBe("+00°");
    expect(labelOfRa(187.5, 15 / 60)).toBe("12h 30m");
    expect(labelOfRa(-15, 15)).toBe("23h");
    expect(labelOfRa(359.9999999999, 15 / 60)).toBe("00h 00m");
  });
});

describe("the histogram", () => {
  it("is drawn by the logarithms of its counts", () => {
    expect(outline({ edges: [0, 1, 2], counts: [0, 99], below: 0, above: 0 }, 10, 4)).toBe("M0 4L0.00 4.00L5.00 4.00L5.00 0.00L10.00 0.00L10 4Z");
  });

  it("reaches beyond what most pixels have, also where all are equal", () => {
    const tiling = { zscale: [10, 20], percentiles: { "0.1": 0, "99.9": 100 } } as unknown as Tiling;
    expect(reachOf(tiling)).toEqual({ least: -15, most: 115 });
    expect(reachOf({ ...tiling, zscale: [0, 0], percentiles: { "1": 0 } })).toEqual({ least: -1, most: 1 });
  });
});
