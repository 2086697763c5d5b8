import { describe, expect, it } from "vitest";
import { refusal } from "../src/download/cutout";
import { found, type HeaderHdu, shown, textOf } from "../src/header/cards";

const hdus: HeaderHdu[] = [
  { number: 0, name: "", cards: [["SIMPLE", true, "conforms to FITS standard"]] },
  {
    number: 1,
    name: "SCI",
    cards: [
      ["EXPTIME", 60, "[s] Exposure time"],
      ["OBJECT", "Barnard's star", "Target"],
      ["HISTORY", "made of 12 frames", ""],
      ["EMPTY", null, ""],
    ],
  },
];

describe("a header", () => {
  it("is searched by every word, in keywords, values and comments", () => {
    const keywords = (search: string) => found(hdus, search).flatMap((hdu) => hdu.cards.map(([keyword]) => keyword));
    expect(keywords("exposure 60")).toEqual(["EXPTIME"]);
    expect(keywords("BARNARD target")).toEqual(["OBJECT"]);
    expect(keywords("nothing of it")).toEqual([]);
    expect(keywords("  ")).toHaveLength(5);
  });

  it("is copied as cards are written", () => {
    expect(textOf(hdus).split("\n")).toEqual([
      "# HDU 0",
      "SIMPLE  = T / conforms to FITS standard",
      "# HDU 1: SCI",
      "EXPTIME = 60 / [s] Exposure time",
      "OBJECT  = 'Barnard''s star' / Target",
      "HISTORY made of 12 frames",
      "EMPTY   = ",
    ]);
    expect(shown(null)).toBe("");
  });
});

describe("a cutout", () => {
  it("is refused where it would be none, or too large", () => {
    expect(refusal({ x: 0, y: 0, width: 2048, height: 10 })).toBe("");
    expect(refusal({ x: 0, y: 0, width: 2049, height: 10 })).toContain("2049 × 10");
    expect(refusal({ x: 9, y: 0, width: 0, height: 10 })).toContain("Nothing");
  });
});
