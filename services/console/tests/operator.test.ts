import { describe, expect, it } from "vitest";
import { readiness } from "../src/operator/health";
import { answerTo, type Change, minutes, namesIn, pathOf, rightsOf, sizeOf, type User } from "../src/operator/words";

const change = (fields: Partial<Change>) => ({ route: "/", about: {}, status: 200, ...fields }) as Change;
const user = (fields: Partial<User>) =>
  ({ superuser: false, operator: false, ingests: [], observatories: [], proposals: [], ...fields }) as unknown as User;
const saying = (status: number, body: string) => () => Promise.resolve(new Response(body, { status }));

it("shows the path of a change with what stood in it", () => {
  expect(pathOf(change({ route: "/api/users/{username}/tokens", about: { username: "ada" } }))).toBe("/api/users/ada/tokens");
  expect(pathOf(change({ route: "/console/{name:path}", about: { name: "a/b" } }))).toBe("/console/a/b");
  expect(pathOf(change({ route: "/{site}/config" }))).toBe("/{site}/config");
});

it.each([
  [201, "done (201)"],
  [403, "refused (403)"],
  [503, "failed (503)"],
  [null, "not answered"],
])("says how a change was answered with %s", (status, words) => {
  expect(answerTo(change({ status }))).toBe(words);
});

it("says what users may do", () => {
  expect(rightsOf(user({}))).toBe("");
  expect(rightsOf(user({ operator: true, proposals: ["p1", "p2"] }))).toBe("operator; sees proposals p1, p2");
  expect(rightsOf(user({ superuser: true, operator: true, ingests: ["*"], observatories: ["tst"] }))).toBe(
    "superuser; adds files of every site; speaks for tst",
  );
});

it("reads names between commas and blanks, and says sizes and times", () => {
  expect(namesIn(" p1, p2\np3,")).toEqual(["p1", "p2", "p3"]);
  expect(namesIn("")).toEqual([]);
  expect([sizeOf(12), sizeOf(2048), minutes(900)]).toEqual(["12 bytes", "2.0 KiB", "15 minutes"]);
});

describe("how the API is", () => {
  it("is what it says of its servers, also when it cannot work", async () => {
    expect(await readiness(saying(200, '{"dependencies": {"nats": "ok"}}'))).toEqual({ ready: true, dependencies: { nats: "ok" } });
    expect(await readiness(saying(503, '{"dependencies": {"nats": "away"}}'))).toEqual({ ready: false, dependencies: { nats: "away" } });
  });

  it("is a sentence where it is not told", async () => {
    expect(await readiness(saying(403, "{}"))).toContain("nearby only");
    expect(await readiness(saying(200, "<html>"))).toBe("The server answered 200.");
    expect(await readiness(() => Promise.reject(new TypeError("away")))).toBe("The server does not answer.");
  });
});
