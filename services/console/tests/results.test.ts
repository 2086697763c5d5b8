import { describe, expect, it } from "vitest";
import { clusterOf, clusterSeries, starSaid } from "../src/results/cluster";
import { frameAddress } from "../src/results/frames";
import { curveTable, drawn, lightCurveOf, phaseOf, readEpoch, readPeriod, said, slid, SLIDER_STEPS, timesOf } from "../src/results/lightCurve";
import { markersOf, peakNear, periodogramOf, periodogramTable } from "../src/results/periodogram";
import { csv, headingOf, tableOf } from "../src/results/table";
import { trackOf } from "../src/results/track";
import { zeroPointOf, zeroPointSeries } from "../src/results/zeroPoint";

const OUTPUT = {
  light_curve: [
    { julian_date: 2460001.5, bjd_tdb: 2460001.503, mag: null, magerr: null, target_magnitude_limit: 15.2, fits_path: "frame-2", notes: ["Too faint."] },
    { julian_date: 2460000.5, bjd_tdb: 2460000.504, mag: 12.5, magerr: 0.01, fits_path: "0m4a/frame-1", notes: [], target_ra_deg: 10.5, target_dec_deg: -20 },
    { julian_date: null, mag: 12.4 },
    { julian_date: 2460002.25, bjd_tdb: 2460002.253, mag: 12.7, magerr: 0.02, fits_path: "frame-3", notes: ["A neighbour."] },
  ],
  source: { name: "V1", ra: 10.4, dec: -20.1 },
  filter: "rp",
};

function curve(output: unknown = OUTPUT) {
  const found = lightCurveOf(output);
  if (found === null) throw new Error("no light curve");
  return found;
}

describe("a light curve", () => {
  it("is in order of time, without points that have none, each with its frame and place", () => {
    const found = curve();
    expect(found.points.map((point) => [point.jdUtc, point.frame, point.place])).toEqual([
      [2460000.5, "frame-1", { ra: 10.5, dec: -20 }],
      [2460001.5, "frame-2", { ra: 10.4, dec: -20.1 }],
      [2460002.25, "frame-3", { ra: 10.4, dec: -20.1 }],
    ]);
    expect([found.target, found.filter, found.hasBjd]).toEqual(["V1", "rp", true]);
  });

  it("is none without points, or of something else", () => {
    for (const none of [null, 3, [], {}, { light_curve: [] }, { light_curve: [{ mag: 1 }] }]) expect(lightCurveOf(none)).toBeNull();
  });

  it("has limits only where it has no magnitude, and no filter by the name of None", () => {
    const found = curve({ light_curve: [{ julian_date: 1, mag: 12, target_magnitude_limit: 15 }], filter: "None" });
    expect([found.points[0]?.limit, found.filter, found.hasBjd]).toEqual([null, null, false]);
  });

  it("draws what is doubtful as rings and what was not seen as arrows", () => {
    const { series, places } = drawn(curve(), [0, 1, 1.75], 1);
    expect(series.map((each) => [each.mark, each.x, each.y])).toEqual([
      ["dot", [0], [12.5]],
      ["ring", [1.75], [12.7]],
      ["arrow", [1], [15.2]],
    ]);
    expect(places).toEqual([[0], [2], [1]]);
  });

  it("shows each point twice by phase", () => {
    const { series, places } = drawn(curve(), [0, 0.5, 0.25], 2);
    expect(series[0]?.x).toEqual([0, 1]);
    expect(places[2]).toEqual([1, 1]);
  });

  it("says what there is to say of a point", () => {
    expect(said(curve(), 0, "bjdTdb")).toEqual(["12.500 mag ± 0.010", "BJD (TDB) 2460000.50400", "frame-1"]);
    expect(said(curve(), 1, "jdUtc")).toEqual(["fainter than 15.20 mag", "JD (UTC) 2460001.50000", "frame-2", "Too faint."]);
  });

  it("is saved with all columns, times by their scales, units in the heading", () => {
    const found = curve();
    const [heading = "", first = "", second = ""] = csv(curveTable(found, { days: 0.5, epoch: 2460000.625 }, timesOf(found, "jdUtc"))).split("\r\n");
    expect(heading.split(",")).toEqual([
      "JD_UTC_mid [d]",
      "MJD_UTC_mid [d]",
      "BJD_TDB_mid [d]",
      "magnitude [mag]",
      "magnitude_error [mag]",
      "frame",
      "notes",
      "target_RA_ICRS [deg]",
      "target_Dec_ICRS [deg]",
      "magnitude_limit [mag]",
      "phase_at_0.5_d",
    ]);
    expect(first).toBe("2460000.5,60000,2460000.504,12.5,0.01,0m4a/frame-1,,10.5,-20,,0.75");
    expect(second).toBe("2460001.5,60001,2460001.503,,,frame-2,Too faint.,,,15.2,0.75");
  });
});

describe("folding", () => {
  it("counts phases from the epoch, before it too", () => {
    expect([10, 10.25, 9.9, 11.75].map((time) => phaseOf(time, { days: 1, epoch: 10 }))).toEqual([0, 0.25, expect.closeTo(0.9), 0.75]);
    expect(phaseOf(10 - 1e-17, { days: 1, epoch: 10 })).toBe(0);
  });

  it.each(["0", "-1", "half a day", "1e400", "NaN", "1e-9", "0x1z"])("refuses the period %s in words", (text) => {
    expect(readPeriod(text).days).toBeNull();
    expect(readPeriod(text).problem).toContain("days above 0");
  });

  it("takes no period for none, and knows who writes with a comma", () => {
    expect(readPeriod(" ")).toEqual({ days: null, problem: "" });
    expect(readPeriod(" 0.5 ")).toEqual({ days: 0.5, problem: "" });
    expect(readPeriod("0,52").problem).toContain("Write 0.52");
    expect(readEpoch("soon", 7)).toEqual({ epoch: 7, problem: expect.stringContaining("Julian date") });
    expect(readEpoch("2460000.5", 7).epoch).toBe(2460000.5);
  });

  it("slides within some widths of a peak, never to 0", () => {
    expect(slid(0.5, 0, 100)).toBe("0.5");
    expect(Number(slid(0.5, SLIDER_STEPS, 100))).toBeCloseTo(0.5125);
    expect(Number(slid(0.5, -SLIDER_STEPS, 0))).toBeCloseTo(0.25);
    const steps = Array.from({ length: 11 }, (_, step) => slid(0.123456, step, 3000));
    expect(new Set(steps).size).toBe(11);
  });
});

describe("a periodogram", () => {
  const search = {
    period: 0.5,
    frequency: [0.5, 1, 1.5, 2, 2.5, 3],
    power: [0.1, 0.6, 0.2, 0.9, 0.2, 0.7],
    window_power: [1, 0, 0, 0, 0, 0],
    period_candidates: [
      { period: 0.5, power: 0.9, false_alarm_probability: 1e-20, kind: "peak", description: "Highest peak" },
      { period: 1, power: 0.6, false_alarm_probability: 1e-5, kind: "double", description: "Twice" },
      { period: 1 / 3, power: 0.7, kind: "alias", description: "Alias" },
      { period: null, kind: "alias" },
    ],
    period_notes: ["Searched."],
  };

  it("names its peak and its aliases, and where the curve is folded by hand", () => {
    const found = periodogramOf(search);
    if (found === null) throw new Error("none");
    expect(markersOf(found, 0.5)).toEqual([
      { x: 2, label: "peak" },
      { x: 1, label: "twice" },
      { x: 3, label: "alias 1" },
    ]);
    expect(markersOf(found, 0.7).at(-1)).toEqual({ x: 1 / 0.7, label: "folded here" });
    expect(periodogramTable(found).map(headingOf)).toEqual(["frequency [1/d]", "period [d]", "power", "window_power"]);
  });

  it("folds at the highest power near a click", () => {
    const found = periodogramOf(search);
    if (found === null) throw new Error("none");
    expect(peakNear(found, 1.8, 0.4)).toBe(0.5);
    expect(peakNear(found, 1.2, 0.25)).toBe(1);
    expect(peakNear(found, 9, 0.1)).toBeNull();
  });

  it("may have found nothing, and says so by having no period", () => {
    expect(periodogramOf({ light_curve: [] })).toBeNull();
    expect(periodogramOf({ period: null, frequency: [], power: [] })).toBeNull();
    expect(periodogramOf({ period: null, frequency: [1, 2], power: [0, 0] })?.days).toBeNull();
  });
});

it("colours the stars of a cluster by how likely they are members", () => {
  const cluster = clusterOf({
    cmd: [
      { color: 0.5, mag: 15, magerr: 0.01, probability: 0.97, member: true, ra: 1, dec: 2 },
      { color: 1.5, mag: 16, probability: 0.1, member: false },
      { color: 1.4, mag: 14, probability: null, gaia_only: false },
      { color: 1.2, mag: 17, probability: 1, member: true, gaia_only: true },
      { color: null, mag: 16, probability: 1, member: true },
    ],
    blue_filter: "gp",
    red_filter: "rp",
    mag_band: "rp",
    cluster: { name: "M 67", ra: 1, dec: 2, radius_arcmin: 5 },
    member_threshold: 0.6,
  });
  if (cluster === null) throw new Error("none");
  expect([cluster.name, cluster.band, cluster.colour, cluster.threshold]).toEqual(["M 67", "rp", "gp − rp", 0.6]);
  const { series, stars } = clusterSeries(cluster.stars);
  expect(series.map((each) => [each.label, each.colour, each.x])).toEqual([
    ["membership unknown", "--faint", [1.4]],
    ["0 to 20 % member", "--ramp-1", [1.5]],
    ["80 to 100 % member", "--ramp-5", [0.5, 1.2]],
  ]);
  expect(starSaid(stars[2]?.[0] ?? cluster.stars[1]!)).toEqual(["15.000 mag ± 0.010, colour 0.500", "member with 97 %, counted as one", "RA 1.00000°, Dec 2.00000°"]);
  expect(clusterOf({})).toBeNull();
});

it("finds the zero point that comparison stars agree on, and what is left of each", () => {
  const found = zeroPointOf({
    selected_comparison_stars: [
      { candidate_id: "a", reference_magnitude: 12, measured_instrumental_magnitude: -13, variability_score: 0.01, ra_deg: 1, dec_deg: 2, source_catalog_by_frame: {} },
      { candidate_id: "b", reference_magnitude: 13.1, measured_instrumental_magnitude: -12, variability_score: null },
      { candidate_id: "c", reference_magnitude: 14.02, measured_instrumental_magnitude: -11 },
      { candidate_id: "d", reference_magnitude: null, measured_instrumental_magnitude: -11 },
    ],
  });
  if (found === null) throw new Error("none");
  expect(found.mag).toBeCloseTo(25.02);
  expect(found.stars.map((star) => star.residual)).toEqual([expect.closeTo(-0.02), expect.closeTo(0.08), expect.closeTo(0)]);
  expect(found.scatter).toBeCloseTo(1.4826 * 0.02);
  const { fit } = zeroPointSeries(found);
  expect(fit[1]?.y).toEqual([expect.closeTo(12.02), expect.closeTo(14.02)]);
  expect(found.rows[0]).not.toHaveProperty("source_catalog_by_frame");
  expect(zeroPointOf({ selected_comparison_stars: [] })).toBeNull();
});

it("shows the way of what moves, across 0 degrees, and none of what stays", () => {
  const moving = (ra: number, mjd: number) => ({ julian_date: mjd + 2400000.5, mag: 15, target_ra_deg: ra, target_dec_deg: 60 });
  const output = { light_curve: [moving(359.999, 60000), moving(0.001, 60000.1)], target_positions: [{ mjd: 60000, ra_deg: 359.999, dec_deg: 60 }] };
  expect(trackOf(output, curve(output))).toBeNull(); // 3.6 arcsec
  const further = { light_curve: [moving(359.999, 60000), moving(0.003, 60000.1)], target_positions: output.target_positions };
  expect(trackOf(further, curve(further))?.series.map((each) => each.x)).toEqual([[0, expect.closeTo(7.2)], [0]]);
  expect(trackOf(OUTPUT, curve({ ...OUTPUT, light_curve: OUTPUT.light_curve.slice(1, 2) }))).toBeNull();
});

it("finds frames in the archive if they were named there, else among outputs", () => {
  const address = frameAddress({ input_files: [{ basename: "a b", source: "archive" }, { source: "datalab", operation: 3 }, { basename: "c", source: "datalab" }], source: { name: "x", ra: 1 } });
  expect(address("a b", { ra: 10.5, dec: -2 })).toBe("#/image/archive/a%20b?ra=10.5&dec=-2");
  expect(address("made", null)).toBe("#/image/datalab/made");
  expect(address("c", null)).toBe("#/image/datalab/c");
});

describe("tables", () => {
  it("are read by other programs", () => {
    expect(csv([{ name: "a", unit: "mag", cells: [1, null] }, { name: "b", cells: ['say "x", y', "z"] }])).toBe('a [mag],b\r\n1,"say ""x"", y"\r\n,z\r\n');
  });

  it("have every column that a row has, and nothing that a spreadsheet would compute", () => {
    const table = tableOf([{ a: [1, 2], b: { c: 1 } }, { d: "=1+1" }]);
    expect(table.map((column) => [column.name, column.cells])).toEqual([
      ["a", ["1; 2", null]],
      ["b", ['{"c":1}', null]],
      ["d", [null, "=1+1"]],
    ]);
    expect(csv(table)).toContain("'=1+1");
  });
});
