import { expect, it } from "vitest";
import { RequestError } from "../src/api/client";
import { nameOf, problemWith, refusalOf, type Share } from "../src/session/sharingForm";

const SHARES: Share[] = [
  { user: "ben", role: "viewer", since: "2026-01-01T00:00:00Z" },
  { group: 7, group_name: "class", role: "editor", since: "2026-01-01T00:00:00Z" },
];

it.each([
  ["", "Say who"],
  ["ada", "yours already"],
  ["ben", "shared with ben already"],
])("says why nothing is shared with %j", (name, words) => {
  expect(problemWith(name, "ada", SHARES)).toContain(words);
});

it("shares with who is somebody else", () => {
  expect(problemWith("cyd", "ada", SHARES)).toBe("");
  expect(problemWith("class", "ada", SHARES)).toBe(""); // a user may have the name of a group
});

it("calls groups what they are", () => {
  expect(SHARES.map(nameOf)).toEqual(["ben", "the group class"]);
  expect(nameOf({ group: 7, role: "viewer", since: "" })).toBe("group 7");
});

it("says that there is no such user, and anything else as the server does", () => {
  expect(refusalOf(new RequestError("No User matches the given query.", 404), "cyd")).toContain("no user cyd");
  expect(refusalOf(new RequestError("No DataSession matches the given query.", 404), "cyd")).toContain("DataSession");
  expect(refusalOf(new RequestError("The server does not answer.", 0), "cyd")).toBe("The server does not answer.");
});
