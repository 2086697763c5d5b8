import { describe, expect, it } from "vitest";
import type { Frame } from "../src/api/client";
import { groupsOf } from "../src/night/groups";
import { laidOut, rowsBetween } from "../src/night/layout";
import { addressOf, byTime, EVERYTHING, narrowings, queryOf, questionIn } from "../src/night/nightQuestion";
import { readPosition } from "../src/night/position";
import { QUALITY_COLUMNS, type Quality, sortedBy } from "../src/night/quality";
import { instantOf, localTime, nightOf, nightSpan, siteClocks, solarClock, zoneClock } from "../src/night/siteTime";

const at = (text: string) => Date.parse(text);
const arizona = zoneClock("America/Phoenix");
if (arizona === null) throw new Error("this machine knows no time zones");

describe("the clocks of sites", () => {
  it("are those of the zone, of the enclosure's zone, or mean solar time", () => {
    const clocks = siteClocks({
      own: { TZ_database_name: "America/Phoenix", longitude: 10 },
      inside: { wema_name: "hut" },
      hut: { TZ_database_name: "Europe/Berlin" },
      solar: { longitude: "-90" },
      wrong: { TZ_database_name: "Mars/Olympus", longitude: "far" },
      nowhere: {},
    });
    const summer = at("2026-07-01T00:00:00Z");
    expect(clocks.get("own")?.offsetMs(summer)).toBe(-7 * 3_600_000);
    expect(clocks.get("inside")?.offsetMs(summer)).toBe(2 * 3_600_000);
    expect(clocks.get("solar")).toMatchObject({ kind: "solar" });
    expect(clocks.get("solar")?.offsetMs(summer)).toBe(-6 * 3_600_000);
    expect([...clocks.keys()].sort()).toEqual(["hut", "inside", "own", "solar"]);
    expect(solarClock(250)?.offsetMs(0)).toBeCloseTo((-110 / 15) * 3_600_000, 6);
  });

  it("name a night by the day on which it begins, from noon to noon", () => {
    expect(nightOf(at("2026-03-15T07:32:00Z"), arizona)).toBe("2026-03-14");
    expect(nightOf(at("2026-03-14T18:59:59Z"), arizona)).toBe("2026-03-13");
    expect(nightOf(at("2026-03-14T19:00:00Z"), arizona)).toBe("2026-03-14");
    expect(nightSpan("2026-03-14", arizona)).toEqual([at("2026-03-14T19:00:00Z"), at("2026-03-15T19:00:00Z") - 1]);
    expect(nightSpan("a day", arizona)).toBeNull();
  });

  it("have a night of 23 hours where clocks are put forward", () => {
    const berlin = zoneClock("Europe/Berlin");
    const [from = 0, until = 0] = (berlin && nightSpan("2026-03-28", berlin)) ?? [];
    expect(until + 1 - from).toBe(23 * 3_600_000);
  });

  it("show the time of day, with the day where it is another than in UTC", () => {
    expect(localTime(at("2026-03-15T07:32:52Z"), arizona)).toBe("00:32 local");
    expect(localTime(at("2026-03-15T05:00:00Z"), arizona)).toBe("03-14 22:00 local");
    expect(instantOf("2026-03-15T07:32:52.812000Z")).toBe(at("2026-03-15T07:32:52.812Z"));
    expect(instantOf("2026-03-15T07:32:52")).toBe(at("2026-03-15T07:32:52Z"));
    expect([instantOf(null), instantOf("soon")]).toEqual([null, null]);
  });
});

describe("positions", () => {
  it.each([
    ["10:08:22.311 +11:58:01.95", 152.0929625, 11.9672083],
    ["10h08m22.311s +11d58m01.95s", 152.0929625, 11.9672083],
    ["10h 08m 22.311s, +11° 58′ 01.95″", 152.0929625, 11.9672083],
    ["10 08 22.311 +11 58 01.95", 152.0929625, 11.9672083],
    ["10 08 22.311 11 58 01.95", 152.0929625, 11.9672083],
    ["J100822.311+115801.95", 152.0929625, 11.9672083],
    ["152.0929625 11.9672083", 152.0929625, 11.9672083],
    ["152.0929625, +11.9672083", 152.0929625, 11.9672083],
    ["152.0929625°, 11.9672083°", 152.0929625, 11.9672083],
    ["ra=152.0929625 dec=11.9672083", 152.0929625, 11.9672083],
    ["10.1395308h +11.9672083", 152.092962, 11.9672083],
    ["05:35:17.3 -05:23:28", 83.8220833, -5.3911111],
    ["05 35 17.3 −00 23 28", 83.8220833, -0.3911111],
    ["0 -0.5", 0, -0.5],
  ])("%s", (text, ra, dec) => {
    const found = readPosition(text);
    expect(found?.ra).toBeCloseTo(ra, 5);
    expect(found?.dec).toBeCloseTo(dec, 5);
  });

  it.each(["M 51", "NGC 5194", "HD 189733", "Barnard's Star", "2MASS J05352184-0546085", "", "51"])("“%s” is a name", (text) => {
    expect(readPosition(text)).toBeNull();
  });

  it.each(["25:00:00 +10:00:00", "10:61:00 +10:00:00", "10:00:00 +91:00:00", "400 10"])("“%s” is nowhere", (text) => {
    expect(() => readPosition(text)).toThrow("no place on the sky");
  });
});

describe("what is asked for", () => {
  const question = { ...EVERYTHING, site: "sim", night: "2026-03-14", filter: "rp", near: "M 51", position: "202.47 47.195", radius: "6", table: true };

  it("is in the address", () => {
    const address = addressOf(question);
    expect(questionIn(new URLSearchParams(address.slice(2)))).toEqual(question);
    expect(addressOf(EVERYTHING)).toBe("/");
    expect(addressOf({ ...EVERYTHING, order: "exposure_time" })).toBe("/?by=-exposure_time");
    expect(byTime(questionIn(new URLSearchParams("by=nonsense")))).toBe(true);
    expect(narrowings(question)).toBe(2);
  });

  it("is a night of the site's clocks, or of the headers where those are not known", () => {
    expect(queryOf(question, arizona)).toMatchObject({
      site_id: "sim",
      start: "2026-03-14T19:00:00.000Z",
      end: "2026-03-15T18:59:59.999Z",
      primary_optical_element: "rp",
      ra: 202.47,
      dec: 47.195,
      radius: 0.1,
      ordering: "-observation_date",
    });
    expect(queryOf(question, undefined)).toMatchObject({ dayobs: "2026-03-14" });
    expect(queryOf(question, undefined)).not.toHaveProperty("start");
  });
});

describe("groups of frames", () => {
  const frame = (basename: string, site: string, date: string | null, day: string | null = null) =>
    ({ basename, site_id: site, observation_date: date, observation_day: day }) as Frame;

  it("are nights of sites, the latest first", () => {
    const groups = groupsOf(
      [
        frame("c", "tst", "2026-03-15T09:00:00Z"),
        frame("b", "sim", "2026-03-15T07:00:00Z"),
        frame("a", "sim", "2026-03-14T20:00:00Z"),
        frame("z", "old", null, "2026-03-01"),
        frame("y", "old", null),
      ],
      new Map([["sim", arizona]]),
    );
    expect(groups.map(({ night, site, frames }) => [night, site, frames.map((each) => each.basename).join("")])).toEqual([
      ["2026-03-15", "tst", "c"],
      ["2026-03-14", "sim", "ba"],
      ["2026-03-01", "old", "z"],
      ["", "old", "y"],
    ]);
  });

  it("are laid out one after the other, and drawn where they are in sight", () => {
    const measures = { columns: 3, row: 100, heading: 40 };
    const { places, height } = laidOut([7, 0, 3000], measures);
    expect(places).toEqual([{ top: 0, rows: 3 }, { top: 340, rows: 0 }, { top: 380, rows: 1000 }]);
    expect(height).toBe(380 + 40 + 100_000);
    const [, , last] = places;
    if (last === undefined) throw new Error("there are three");
    expect(rowsBetween(last, measures, 50_420, 51_420)).toEqual([500, 510]);
    expect(rowsBetween(last, measures, -5_000, -1_000)).toEqual([0, 0]);
    expect(rowsBetween(last, measures, 1e6, 2e6)).toEqual([1000, 1000]);
  });
});

describe("how good frames are", () => {
  const frames = ["a", "b", "c", "d"].map((basename) => ({ basename }) as Frame);
  const quality = (fwhm: number | null) => ({ fwhm_arcsec: fwhm, fwhm_px: null, ellipticity: null, is_trailed: false, n_stars: 9, sky_level: 1, sky_noise: 1, zero_point_mag: null, limiting_mag: null });

  it("orders them, those of which nothing is known last", () => {
    const known = new Map<string, Quality | string>([["a", quality(3)], ["b", "no stars"], ["d", quality(2)]]);
    const [fwhm] = QUALITY_COLUMNS;
    if (fwhm === undefined) throw new Error("there are columns");
    const names = (ascending: boolean) => sortedBy(frames, fwhm, ascending, known).map((each) => each.basename).join("");
    expect(names(true)).toBe("dabc");
    expect(names(false)).toBe("adbc");
    expect(fwhm.text(quality(2.345))).toBe("2.35″");
    expect(fwhm.text({ ...quality(null), fwhm_px: 3.21 })).toBe("3.2 px");
    expect(fwhm.text(quality(null))).toBe("");
  });
});
