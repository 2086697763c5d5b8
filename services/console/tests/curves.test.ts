import { expect, it } from "vitest";
import { csv, curveOf, diagramOf, folded } from "../src/results/curves";

it("finds a light curve, without points that have no time", () => {
  const curve = curveOf({
    light_curve: [
      { julian_date: 2460000.5, mag: 12.5, magerr: 0.01, fits_path: "0m4a/frame-1" },
      { julian_date: null, mag: 12.4 },
      { julian_date: 2460001.5, mag: null, fits_path: "frame-2" },
    ],
    period: 0.5,
    frequency: [1, 2],
    power: [0.1, 0.9],
  });
  expect(curve?.points.map((point) => [point.mag, point.frame])).toEqual([
    [12.5, "frame-1"],
    [null, "frame-2"],
  ]);
  expect(curve?.period).toBe(0.5);
  expect(curveOf({ light_curve: [] })).toBeNull();
  expect(curveOf(null)).toBeNull();
});

it("folds each point twice, and knows which it was", () => {
  const points = [10, 10.25, 11.75].map((date, place) => ({ date, mag: place, error: null, frame: null }));
  const fold = folded(points, 1);
  expect(fold.phase).toEqual([0, 0.25, 0.75, 1, 1.25, 1.75]);
  expect(fold.place).toEqual([0, 1, 2, 0, 1, 2]);
});

it("writes tables that other programs read", () => {
  expect(csv({ a: [1, null], b: ['say "x", y', "z"] })).toBe('a,b\r\n1,"say ""x"", y"\r\n,z\r\n');
});

it("finds members and others of a diagram", () => {
  const diagram = diagramOf({
    cmd: [
      { color: 0.5, mag: 15, member: true },
      { color: 1.5, mag: 16, member: false },
      { color: null, mag: 16, member: true },
    ],
    blue_filter: "gp",
    red_filter: "rp",
    mag_band: "rp",
  });
  expect(diagram).toEqual({ members: [[0.5], [15]], others: [[1.5], [16]], band: "rp", colour: "gp − rp" });
  expect(diagramOf({})).toBeNull();
});
