import { describe, expect, it } from "vitest";
import type { InputImage } from "../src/api/sessions";
import { beginning, choosable, type OperationDescription, problems, sent, type Values } from "../src/screens/wizardForm";

const image = (basename: string, filter: string | null, source: "archive" | "datalab" = "archive"): InputImage => ({
  basename,
  source,
  filter,
  picture: null,
  label: basename,
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

describe("a form of an operation", () => {
  it("begins with frames of the commonest filter that may be used, and with the defaults", () => {
    const values = beginning(photometry, IMAGES);
    expect(values["input_files"]).toEqual(["archive a", "archive b"]);
    expect(values["aperture_radius"]).toBe("7.64");
    expect(choosable(photometry.inputs["input_files"]!, IMAGES).map((each) => each.basename)).toEqual(["a", "b", "c", "made"]);
  });

  it("says what is missing, and what is no number", () => {
    const values: Values = { ...beginning(photometry, IMAGES), aperture_radius: "wide", most: "1.5", input_files: [] };
    expect(problems(photometry, values)).toEqual({
      source: "name a target, or give its position",
      input_files: "choose 1 or more",
      aperture_radius: "is no number",
      most: "is no whole number",
    });
    expect(problems(photometry, { ...values, aperture_radius: "-1" })["aperture_radius"]).toBe("is 0 or more");
  });

  it("sends what the API takes", () => {
    const values: Values = {
      ...beginning(photometry, IMAGES),
      source: { name: "M 31", ra: "10.68", dec: "41.27" },
      most: "",
      input_files: ["archive b", "datalab made"],
    };
    expect(problems(photometry, values)).toEqual({});
    expect(sent(photometry, values, IMAGES)).toEqual({
      source: { name: "M 31", ra: 10.68, dec: 41.27 },
      input_files: [
        { basename: "b", source: "archive", filter: "rp" },
        { basename: "made", source: "datalab", filter: "rp" },
      ],
      aperture_radius: 7.64,
      mode: "two",
    });
  });

  it("gives each channel an image, red for the longest waves", () => {
    const values = beginning(colour, IMAGES);
    expect(sent(colour, values, IMAGES)["color_channels"]).toEqual([
      { basename: "a", source: "archive", filter: "rp", color: { r: 255, g: 0, b: 0 }, zmin: null, zmax: null },
      { basename: "c", source: "archive", filter: "gp", color: { r: 0, g: 255, b: 0 }, zmin: null, zmax: null },
      { basename: "d", source: "archive", filter: "B", color: { r: 0, g: 0, b: 255 }, zmin: null, zmax: null },
    ]);
    expect(problems(colour, beginning(colour, []))["color_channels"]).toBe("choose an image for each channel");
  });
});
