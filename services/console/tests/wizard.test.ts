import { describe, expect, it } from "vitest";
import type { InputImage } from "../src/api/sessions";
import type { Operation } from "../src/api/sessions";
import { declination, rightAscension } from "../src/wizard/angles";
import { byFilter, colourOf, levelAt, levelScale, placeOf, rgbOf, STEPS_OF_SLIDER } from "../src/wizard/channels";
import { withPosition } from "../src/wizard/positions";
import { mixed } from "../src/wizard/mixing";
import { beginning, choosable, former, keyOf, type OperationDescription, problems, rangeOf, sent, shownInputs, type Values } from "../src/wizard/wizardForm";

const image = (basename: string, filter: string | null, source: "archive" | "datalab" = "archive"): InputImage => ({
  basename,
  source,
  filter,
  picture: null,
  label: basename,
  observed: null,
  kind: null,
  exposure: null,
  operation: source === "datalab" ? 7 : null,
});
const IMAGES = [image("a", "rp"), image("b", "rp"), image("c", "gp"), image("d", "B"), image("made", "rp", "datalab")];

const photometry: OperationDescription = {
  name: "Aperture Photometry",
  description: "",
  inputs: {
    source: { name: "Target", description: "", type: "source", required: true },
    input_files: {
      name: "Input Files",
      description: "",
      type: "fits",
      minimum: 1,
      maximum: 999,
      single_filter: true,
      filter_options: ["rp", "gp"],
    },
    aperture_radius: { name: "Radius", description: "", type: "float", required: true, default: 7.64, minimum: 0 },
    most: { name: "Most", description: "", type: "int", minimum: 1, default: 10 },
    mode: { name: "Mode", description: "", type: "select", options: ["one", "two"], default: "two" },
  },
};
const colour: OperationDescription = {
  name: "Color Image",
  description: "",
  inputs: {
    color_channels: { name: "Channel", description: "", type: "fits", minimum: 1, maximum: 6, color_picker: true },
  },
};

const stacking: OperationDescription = {
  name: "Stacking",
  description: "",
  inputs: {
    input_files: { name: "Input Files", description: "", type: "fits", minimum: 2, maximum: 999 },
    combine: { name: "Combine", description: "", type: "select", options: ["sum", "median", "sigma-clipped"], default: "sum" },
    sigma: { name: "Clipping Limit", description: "", type: "float", default: 3, minimum: 1, shown_when: { combine: ["sigma-clipped"] } },
  },
};

describe("a form of an operation", () => {
  it("begins with frames of the commonest filter that may be used, and with the defaults", () => {
    const values = beginning(photometry, IMAGES);
    expect(values["input_files"]).toEqual(["archive a", "archive b"]);
    expect(values["aperture_radius"]).toBe("7.64");
    expect(choosable(photometry.inputs["input_files"]!, IMAGES).map((each) => each.basename)).toEqual(["a", "b", "c", "made"]);
  });

  it("begins with the images that were chosen to be used, where they fit", () => {
    expect(beginning(stacking, IMAGES, ["datalab made", "archive c"])["input_files"]).toEqual(["archive c", "datalab made"]);
    expect(beginning(photometry, IMAGES, ["archive d"])["input_files"]).toEqual(["archive a", "archive b"]);
  });

  it("says what is missing, and what is no number", () => {
    const values: Values = { ...beginning(photometry, IMAGES), aperture_radius: "wide", most: "1.5", input_files: [] };
    expect(problems(photometry, values, IMAGES)).toEqual({
      source: "Name it and look it up, or give its position.",
      input_files: "Choose an image.",
      aperture_radius: "This is no number.",
      most: "This is no whole number.",
    });
    expect(problems(photometry, { ...values, aperture_radius: "-1" }, IMAGES)["aperture_radius"]).toBe("The least is 0.");
  });

  it("wants images of one filter where magnitudes are compared", () => {
    const values: Values = { ...beginning(photometry, IMAGES), input_files: ["archive a", "archive c"] };
    expect(problems(photometry, values, IMAGES)["input_files"]).toBe("Choose images of one filter: these are of rp, gp.");
  });

  it("says that a name has to be looked up, and takes positions as people write them", () => {
    const at = (source: object) => problems(photometry, { ...beginning(photometry, IMAGES), source: source as never }, IMAGES)["source"];
    expect(at({ name: "M 31", ra: "", dec: "" })).toBe("Look the name up, or give the position.");
    expect(at({ name: "", ra: "00:42:44.3", dec: "+41:16:09" })).toBeUndefined();
    expect(at({ name: "", ra: "400", dec: "0" })).toContain("Right ascension");
    expect(at({ name: "", ra: "10", dec: "91" })).toContain("Declination");
  });

  it("shows an input only while the choice it depends on is made, and sends it only then", () => {
    const values: Values = { ...beginning(stacking, IMAGES), sigma: "0" };
    expect(shownInputs(stacking, values).map(([key]) => key)).toEqual(["input_files", "combine"]);
    expect(problems(stacking, values, IMAGES)).toEqual({});
    expect(sent(stacking, values, IMAGES)).not.toHaveProperty("sigma");
    const clipped: Values = { ...values, combine: "sigma-clipped" };
    expect(problems(stacking, clipped, IMAGES)).toEqual({ sigma: "The least is 1." });
    expect(sent(stacking, { ...clipped, sigma: "2.5" }, IMAGES)["sigma"]).toBe(2.5);
  });

  it("says what may be given", () => {
    expect(rangeOf(stacking.inputs["input_files"]!)).toBe("2 or more");
    expect(rangeOf(photometry.inputs["most"]!)).toBe("1 or more");
    expect(rangeOf(colour.inputs["color_channels"]!)).toBe("1 to 6");
    expect(rangeOf(photometry.inputs["mode"]!)).toBe("");
  });

  it("sends what the API takes", () => {
    const values: Values = {
      ...beginning(photometry, IMAGES),
      source: { name: "M 31", ra: "10.68", dec: "41.27" },
      most: "",
      input_files: ["archive b", "datalab made", "archive gone"],
    };
    expect(problems(photometry, values, IMAGES)).toEqual({});
    expect(sent(photometry, values, IMAGES)).toEqual({
      source: { name: "M 31", ra: 10.68, dec: 41.27 },
      input_files: [
        { basename: "b", source: "archive", filter: "rp" },
        { basename: "made", source: "datalab", filter: "rp", operation: 7 },
      ],
      aperture_radius: 7.64,
      mode: "two",
    });
  });

  it("begins anew with what an operation was started with", () => {
    const values = { ...beginning(photometry, IMAGES), source: { name: "M 31", ra: "10.68", dec: "41.27" } };
    const operation = { input_data: sent(photometry, values, IMAGES) } as unknown as Operation;
    expect(former(photometry, operation, IMAGES)).toEqual(values);
    const channels = { ...beginning(colour, IMAGES) };
    const mixed = { input_data: sent(colour, channels, IMAGES) } as unknown as Operation;
    expect(former(colour, mixed, IMAGES)).toEqual(channels);
    expect(former(photometry, operation, [])["input_files"]).toEqual([]);
  });
});

describe("channels of a colour image", () => {
  it("get an image each, red for the longest waves", () => {
    const values = beginning(colour, IMAGES);
    expect(sent(colour, values, IMAGES)["color_channels"]).toEqual([
      { basename: "a", source: "archive", filter: "rp", color: { r: 255, g: 0, b: 0 }, zmin: null, zmax: null },
      { basename: "c", source: "archive", filter: "gp", color: { r: 0, g: 255, b: 0 }, zmin: null, zmax: null },
      { basename: "d", source: "archive", filter: "B", color: { r: 0, g: 0, b: 255 }, zmin: null, zmax: null },
    ]);
    expect(problems(colour, beginning(colour, []), [])["color_channels"]).toContain("Choose an image for each channel");
    const [first] = byFilter(IMAGES, keyOf);
    const turned = [{ ...first!, low: 2, high: 1 }];
    expect(problems(colour, { color_channels: turned }, IMAGES)["color_channels"]).toContain("Black is below white");
  });

  it("are those of the Hubble palette for three narrow bands", () => {
    const narrow = ["oiii", "SII", "ha"].map((filter) => image(filter, filter));
    expect(byFilter(narrow, keyOf).map(({ image: key, colour: in_ }) => [key, in_])).toEqual([
      ["archive SII", "#ff0000"],
      ["archive ha", "#00ff00"],
      ["archive oiii", "#0000ff"],
    ]);
  });

  it("have colours that are written and read", () => {
    expect(rgbOf("#ff8000")).toEqual({ r: 255, g: 128, b: 0 });
    expect(colourOf({ r: 255, g: 128, b: 0, a: 1 })).toBe("#ff8000");
    expect(colourOf(null)).toBe("#ffffff");
  });

  it("have sliders that go through the levels there are, not through those nothing has", () => {
    const scale = levelScale({ "0.1": 90, "50": 100, "99": 120, "99.9": 60_000, "5": 90 });
    expect(scale.levels).toEqual([90, 100, 120, 60_000]);
    expect(levelAt(scale, 0)).toBe(90);
    expect(levelAt(scale, STEPS_OF_SLIDER)).toBe(60_000);
    for (const level of [90, 95, 110, 1000, 60_000]) expect(levelAt(scale, placeOf(scale, level))).toBeCloseTo(level, 6);
    expect(placeOf(scale, 5)).toBe(0);
    expect(placeOf(scale, 1e6)).toBe(STEPS_OF_SLIDER);
    const flat = levelScale({ "1": 7, "99": 7 });
    expect(levelAt(flat, placeOf(flat, 7))).toBe(7);
  });

  it("add up in their colours, the last row on top", () => {
    globalThis.ImageData ??= class {
      data: Uint8ClampedArray;
      constructor(readonly width: number, readonly height: number) {
        this.data = new Uint8ClampedArray(4 * width * height);
      }
    } as never;
    const base = { width: 1, height: 2, scale: { levels: [] }, black: 0, white: 10 };
    const picture = mixed([
      { ...base, values: Float32Array.from([10, NaN]), r: 255, g: 0, b: 0 },
      { ...base, values: Float32Array.from([20, 0]), r: 0, g: 0, b: 255 },
    ])!;
    expect([...picture.data.slice(0, 4)]).toEqual([0, 0, 0, 255]);
    const [red, green, blue] = picture.data.slice(4, 8);
    expect([red, green, blue]).toEqual([255, 0, 255]);
    expect(mixed([])).toBeNull();
  });
});

describe("angles", () => {
  it("are read as degrees, and as hours or degrees with minutes and seconds", () => {
    expect(rightAscension("83.82")).toBe(83.82);
    expect(rightAscension("05:35:17.3")).toBeCloseTo(83.822083, 5);
    expect(rightAscension("5h35m17.3s")).toBeCloseTo(83.822083, 5);
    expect(declination("-05:23:28")).toBeCloseTo(-5.391111, 5);
    expect(declination("−0:30")).toBe(-0.5);
    for (const bad of ["", "x", "24:00:01", "05:61:00", "361"]) expect(rightAscension(bad)).toBeNull();
    expect(declination("-91")).toBeNull();
  });
});

describe("positions of a moving target", () => {
  it("are added at the middle of each exposure, and corrected by another click", () => {
    const one = withPosition("", { ra: 187.5, dec: -4.25 }, "2026-03-14T22:00:00.000000Z", 30);
    expect(one).toBe("187.500000 -4.250000 2026-03-14T22:00:15.000");
    const two = withPosition(one, { ra: 188, dec: -4 }, "2026-03-14T23:00:00.000000Z", 0);
    expect(two.split("; ")).toHaveLength(2);
    expect(withPosition(two, { ra: 189, dec: -4 }, "2026-03-14T23:00:00.000000Z", 0)).toBe(`${one}; 189.000000 -4.000000 2026-03-14T23:00:00.000`);
  });
});
