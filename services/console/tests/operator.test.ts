import { describe, expect, it } from "vitest";
import { readiness } from "../src/operator/readiness";
import {
  answerTo,
  type Change,
  faultsOf,
  minutes,
  missingIn,
  namesIn,
  othersInHand,
  pathOf,
  type Process,
  readable,
  rightsOf,
  sizeOf,
  slotsOf,
  type Upload,
  uploadsShown,
  type User,
} from "../src/operator/words";

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

const process = (fields: Partial<Process>) =>
  ({ service: "ingest", silent: false, seen_at: "2026-11-30T20:00:00.000000Z", dependencies: { bus: "ok" }, slots: {}, in_hand: [], ...fields }) as Process;

describe("processes", () => {
  const work = (consumer: string, what: string) => ({ consumer, what, since: "2026-11-30T20:00:00.000000Z" });

  it("are faulty where a server is missing, or when they say nothing any more", () => {
    expect(faultsOf(process({}))).toBe("");
    expect(faultsOf(process({ dependencies: { bus: "ok", objects: "no answer", documents: "away" } }))).toBe("objects: no answer; documents: away");
    expect(faultsOf(process({ silent: true }))).toContain("silent since 2026-11-30 20:00:00 UTC");
  });

  it("are missed where nobody does their work", () => {
    expect(missingIn([])).toHaveLength(2);
    expect(missingIn([process({}), process({ service: "operation-runner", silent: true })])).toEqual([expect.stringContaining("No runner")]);
    expect(missingIn([process({}), process({ service: "operation-runner" })])).toEqual([]);
  });

  it("say what they have in hand, and how much of their lanes is in use", () => {
    const busy = process({
      slots: { "runner-fast": 2, "runner-slow": 1, "preview-fast": 4 },
      in_hand: [work("runner-slow", "Median, operation 12"), work("preview-fast", ""), work("preview-fast", "")],
    });
    expect(slotsOf(busy)).toBe("fast lane 0 of 2, slow lane 1 of 1");
    expect(othersInHand(busy)).toBe("preview-fast: 2 in hand");
    expect(slotsOf(process({ slots: { "file-ingest": 12 } }))).toBe("");
  });
});

it("shows the latest uploads first, of one site or those that came to nothing", () => {
  const upload = (site: string, reason?: string) => ({ site, filename: `${site}.fits`, ...(reason === undefined ? {} : { reason }) }) as Upload;
  const all = [upload("aro"), upload("tst", "no FITS file"), upload("tst")];
  expect(uploadsShown(all, { site: " ", refused: false })).toEqual([...all].reverse());
  expect(uploadsShown(all, { site: "tst", refused: false })).toEqual([all[2], all[1]]);
  expect(uploadsShown(all, { site: "", refused: true })).toEqual([all[1]]);
});

it("spreads out what is JSON, and changes nothing else", () => {
  expect(readable('{"a":1}')).toBe('{\n  "a": 1\n}');
  for (const said of ["{", '{"a":12345678901234567890}', '{"a":1.0}', '{"a":1,"a":2}', ""]) expect(readable(said)).toBe(said);
});
