import { describe, expect, it } from "vitest";
import { inOrder, nearest, ranges, type Series, tickTexts, ticks } from "../src/parts/plot";
import { svgOf } from "../src/parts/svg";

const POINTS: Series = { label: "points", colour: "--plot-1", x: [1, 3, null, 2], y: [10, 12, 5, null], error: [1, null, 100, 100] };

describe("axes", () => {
  it("show every point with its error bar", () => {
    expect(ranges([POINTS])).toEqual({ x: [0.92, 3.08], y: [expect.closeTo(8.88), expect.closeTo(12.12)] });
    expect(ranges([])).toEqual({ x: [0, 1], y: [0, 1] });
    expect(ranges([{ ...POINTS, x: [5], y: [0], error: [] }])).toEqual({ x: [4.95, 5.05], y: [-1, 1] });
  });

  it("have round numbers", () => {
    expect(ticks([0.92, 3.08], 5)).toEqual([1, 1.5, 2, 2.5, 3]);
    expect(tickTexts(ticks([0.92, 3.08], 5))).toEqual(["1.0", "1.5", "2.0", "2.5", "3.0"]);
    expect(ticks([12.1, 12.35], 4)).toEqual([12.1, 12.2, 12.3]);
    expect(tickTexts(ticks([-2000, 60000], 4))).toEqual(["0", "20000", "40000", "60000"]);
    expect(ticks([1, 1], 4)).toEqual([]);
    expect(ticks([0, Infinity], 4)).toEqual([]);
  });
});

describe("points", () => {
  it("are found near the pointer", () => {
    const toPixel = (x: number, y: number): [number, number] => [10 * x, 10 * y];
    expect(nearest([POINTS], toPixel, 12, 103, 14)).toEqual([0, 0]);
    expect(nearest([POINTS], toPixel, 12, 150, 14)).toBeNull();
  });

  it("are gone through from left to right, lines left out", () => {
    expect(inOrder([{ ...POINTS, line: true }, { ...POINTS, x: [3, 1], y: [1, 1] }, POINTS])).toEqual([
      [1, 1],
      [2, 0],
      [1, 0],
      [2, 1],
    ]);
  });
});

describe("an SVG", () => {
  const options = { title: "A <curve> & more", width: 900, height: 460, x: [0, 4] as [number, number], y: [0, 20] as [number, number], colour: () => "rgb(1, 2, 3)" };
  const drawn = (series: Series[], yDown = false) => {
    const text = svgOf({ xLabel: "phase", yLabel: "magnitude", yDown, series, markers: [{ x: 2, label: "peak" }] }, options);
    const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    return { text, root, circles: [...root.querySelectorAll("g circle")] };
  };

  it("is written from the numbers", () => {
    const { root, circles, text } = drawn([POINTS]);
    expect(root.querySelector("title")?.textContent).toBe("A <curve> & more");
    expect(text).not.toContain("<image");
    // Between the margins of 84 and 16, and of 40 and 56.
    expect(circles.map((each) => [Number(each.getAttribute("cx")), Number(each.getAttribute("cy"))])).toEqual([
      [284, 222],
      [684, 185.6],
    ]);
    const labels = [...root.querySelectorAll("text")].map((each) => each.textContent);
    expect(labels).toEqual(expect.arrayContaining(["phase", "magnitude", "peak", "0.0", "4.0", "20"]));
  });

  it("has bright stars at the top", () => {
    const [up] = drawn([POINTS]).circles;
    const [down] = drawn([{ ...POINTS, x: [1], y: [2] }], true).circles;
    expect(Number(down?.getAttribute("cy"))).toBeLessThan(Number(up?.getAttribute("cy")));
  });

  it("names its series, and draws lines, rings and limits as such", () => {
    const { root } = drawn([{ ...POINTS, line: true, label: "fit" }, { ...POINTS, mark: "ring" }, { ...POINTS, mark: "arrow", label: "limits" }]);
    expect(root.querySelectorAll("polyline").length).toBe(1);
    expect(root.querySelectorAll('circle[fill="none"]').length).toBe(2 + 1); // and its name's
    expect(root.querySelectorAll("polygon").length).toBe(2 + 1);
    expect([...root.querySelectorAll("text")].map((each) => each.textContent)).toEqual(expect.arrayContaining(["fit", "points", "limits"]));
  });
});
