import { expect, it } from "vitest";
import { inWords, type Frame } from "../src/api/client";
import { merged } from "../src/night/nightFrames";

it.each([
  [{ detail: "Not found." }, "Not found."],
  [{ error: "No such file" }, "No such file"],
  [{ name: ["This field is required."] }, "name: This field is required."],
  [{ non_field_errors: ["A login needs more."] }, "A login needs more."],
  [undefined, "The server answered 502."],
  ["<html>", "The server answered 502."],
])("says what a refusal means: %j", (body, words) => {
  expect(inWords(body, 502)).toBe(words);
});

it("keeps frames in order of time, each once, as it was told last", () => {
  const frame = (id: number, date: string | null, target = "") =>
    ({ id, basename: `f${id}`, observation_date: date, target_name: target }) as unknown as Frame;
  const known = [frame(2, "2026-01-02"), frame(1, "2026-01-01")];
  const result = merged(known, [frame(3, "2026-01-03"), frame(1, "2026-01-01", "M 31"), frame(4, null)]);
  expect(result.map((each) => each.id)).toEqual([3, 2, 1, 4]);
  expect(result[2]?.target_name).toBe("M 31");
});
