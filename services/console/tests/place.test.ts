import { describe, expect, it } from "vitest";
import { imageAddress, onImage, pickedAt, readAddress } from "../src/viewer/place";

const wcs = { crval: [10, -80] as [number, number], crpix: [50, 50] as [number, number], cd1: [-1e-4, 0] as [number, number], cd2: [0, 1e-4] as [number, number] };
const lastOf = (address: string) => address.split("/").slice(3).join("/");

describe("the address of an image", () => {
  it("is read as it was written", () => {
    const image = { basename: "a b%c", source: "archive" as const };
    expect(readAddress(lastOf(imageAddress(image, { ra: 12.5, dec: -3 }, { radius: 7, inner: 9, outer: 12 })))).toEqual({
      basename: "a b%c",
      pointed: { ra: 12.5, dec: -3 },
      aperture: { radius: 7, inner: 9, outer: 12 },
    });
    expect(readAddress(lastOf(imageAddress(image, { x: 1, y: 2.5 }))).pointed).toEqual({ x: 1, y: 2.5 });
    expect(imageAddress({ basename: "f", source: "datalab" })).toBe("#/image/datalab/f");
  });

  it.each(["f?ra=1", "f?ra=1&dec=x", "f?x=&y=", "f?ra=1&dec=91", "f?x=Infinity&y=1"])("%s points nowhere", (last) => {
    expect(readAddress(last)).toEqual({ basename: "f", pointed: null, aperture: null });
  });

  it("needs no escapes, and no ring that is none", () => {
    expect(readAddress("100%?ra=1&dec=2&radius=5&inner=9&outer=8")).toEqual({
      basename: "100%",
      pointed: { ra: 1, dec: 2 },
      aperture: { radius: 5 },
    });
  });
});

describe("a place", () => {
  it("is counted as FITS counts, by whoever asks", () => {
    expect(onImage({ x: 1, y: 1 }, null)).toEqual({ x: 0.5, y: 0.5 });
    expect(onImage({ ra: 10, dec: -80 }, null)).toBeNull();
    const { x, y, sky } = pickedAt(49.5, 49.5, wcs);
    expect([x, y]).toEqual([50, 50]);
    expect(sky?.ra).toBeCloseTo(10, 9);
    expect(sky?.dec).toBeCloseTo(-80, 9);
  });
});
