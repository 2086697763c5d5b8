import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { RequestError } from "../src/api/client";
import { sendFile, type Step, type UploadRoutes, type UploadView } from "../src/upload/sending";
import { inProgress, Uploads } from "../src/upload/uploads";

const CONTENT = new Uint8Array(25).map((_, place) => place);
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const aFile = (name = "m31.fits") => new File([CONTENT], name);

/** A server with parts of 10 bytes; `fail` is asked before each request, and throws what goes wrong. */
class Server implements UploadRoutes {
  readonly requests: string[] = [];
  readonly parts = new Map<number, Uint8Array>();
  state: UploadView["state"] = "receiving";
  frame: string | null = "ada~m31";
  reason: string | null = null;
  fail: (request: string) => void = () => undefined;
  damaged = 0;

  private asked(request: string): void {
    this.requests.push(request);
    this.fail(request);
  }

  private view(): UploadView {
    const missing = [1, 2, 3].filter((number) => !this.parts.has(number));
    const settled = this.state === "ingested" || this.state === "refused";
    const told = { frame: settled ? this.frame : null, reason: settled ? this.reason : null };
    return { id: "upload-1", part_bytes: 10, part_count: 3, missing, state: this.state, ...told } as unknown as UploadView;
  }

  async begin(described: { file_name: string; size_bytes: number; sha256: string }) {
    this.asked("begin");
    expect(described).toEqual({ file_name: "m31.fits", size_bytes: 25, sha256: sha(CONTENT) });
    return this.view();
  }

  async sendPart(_: string, number: number, part: Blob, sent: (bytes: number) => void) {
    this.asked(`part ${number}`);
    const bytes = new Uint8Array(await part.arrayBuffer());
    sent(bytes.length);
    if (this.damaged > 0) {
      this.damaged -= 1;
      return "another";
    }
    this.parts.set(number, bytes);
    return sha(bytes);
  }

  async complete() {
    this.asked("complete");
    this.state = "stored";
    return this.view();
  }

  async look() {
    this.asked("look");
    this.state = this.frame === null ? "refused" : "ingested";
    return this.view();
  }
}

async function sent(server: Server, end = new AbortController()) {
  const steps: Step[] = [];
  const upload = await sendFile(aFile(), server, {
    told: (step) => steps.push(step),
    end: end.signal,
    pause: () => Promise.resolve(),
  });
  return { upload, steps };
}

describe("a file that is sent", () => {
  it("arrives in parts, whole, and is looked at", async () => {
    const server = new Server();
    const { upload, steps } = await sent(server);
    expect(upload.frame).toBe("ada~m31");
    expect(server.requests).toEqual(["begin", "part 1", "part 2", "part 3", "complete", "look"]);
    expect([...server.parts.values()].flatMap((part) => [...part])).toEqual([...CONTENT]);
    const sending = steps.filter((step) => step.phase === "sending").map((step) => step.part);
    expect(sending).toEqual([0, 10 / 25, 20 / 25, 1].map((part) => expect.closeTo(part)));
  });

  it("goes on where it was left", async () => {
    const server = new Server();
    server.parts.set(1, CONTENT.slice(0, 10)).set(3, CONTENT.slice(20));
    const { steps } = await sent(server);
    expect(server.requests).toEqual(["begin", "part 2", "complete", "look"]);
    expect(steps.find((step) => step.phase === "sending")?.part).toBeCloseTo(15 / 25);
  });

  it("is not sent if the server has it", async () => {
    const server = new Server();
    server.state = "ingested";
    await sent(server);
    expect(server.requests).toEqual(["begin"]);
  });

  it("waits while nobody answers, and says so", async () => {
    const server = new Server();
    let away = 3;
    server.fail = (request) => {
      if (request === "part 2" && away-- > 0) throw new RequestError("nobody", away === 0 ? 503 : 0);
    };
    const { steps, upload } = await sent(server);
    expect(upload.state).toBe("ingested");
    expect(server.requests.filter((request) => request === "part 2")).toHaveLength(4);
    expect(steps.some((step) => step.away)).toBe(true);
    expect(steps.at(-1)?.away).toBe(false);
  });

  it("is sent again where it arrived damaged, but not for ever", async () => {
    const server = new Server();
    server.damaged = 2;
    await sent(server);
    expect(server.requests.filter((request) => request === "part 1")).toHaveLength(3);
    server.damaged = 3;
    server.state = "receiving";
    server.parts.clear();
    await expect(sent(server)).rejects.toThrow("Part 1 arrived damaged 3 times.");
  });

  it("is left alone when it is given up", async () => {
    const server = new Server();
    const end = new AbortController();
    server.fail = (request) => {
      if (request === "part 1") end.abort();
    };
    await expect(sent(server, end)).rejects.toThrow();
    expect(server.requests).not.toContain("part 2");
  });
});

describe("files that are sent together", () => {
  const ended = async (uploads: Uploads) => {
    await expect.poll(() => uploads.files.value.every((each) => each.outcome !== null)).toBe(true);
    return uploads.files.value.map((each) => each.outcome);
  };

  it("say which frames they are, and why they are none", async () => {
    const server = new Server();
    const uploads = new Uploads(server, () => Promise.resolve("tst"), () => Promise.resolve());
    uploads.add([aFile()]);
    expect(await ended(uploads)).toEqual([{ state: "ingested", frame: "ada~m31", site: "tst" }]);
    expect(uploads.sites.value).toEqual(["tst"]);
    Object.assign(server, { state: "receiving", frame: null, reason: "It is no FITS file." });
    uploads.removeEnded();
    uploads.add([aFile()]);
    expect(await ended(uploads)).toEqual([{ state: "refused", reason: "It is no FITS file." }]);
  });

  it("are refused for good when the server does not take such a file", async () => {
    const server = new Server();
    server.fail = () => {
      throw new RequestError("file_name: it is no FITS file by its name", 400);
    };
    const uploads = new Uploads(server, () => Promise.resolve(""), () => Promise.resolve());
    uploads.add([aFile()]);
    expect(await ended(uploads)).toEqual([{ state: "refused", reason: "it is no FITS file by its name" }]);
  });

  it("can be tried again when they failed", async () => {
    const server = new Server();
    server.fail = () => {
      throw new RequestError("Your files take 10 GB already.", 403);
    };
    const uploads = new Uploads(server, () => Promise.resolve(""), () => Promise.resolve());
    uploads.add([aFile()]);
    expect(await ended(uploads)).toEqual([{ state: "failed", reason: "Your files take 10 GB already." }]);
    server.fail = () => undefined;
    uploads.again(1);
    expect(await ended(uploads)).toEqual([{ state: "ingested", frame: "ada~m31", site: "" }]);
  });

  it("are forgotten by the server when they are given up half way", async () => {
    const server = new Server();
    const forgotten: string[] = [];
    const uploads = new Uploads(server, () => Promise.resolve(""), async (id) => forgotten.push(id));
    server.fail = (request) => {
      if (request === "part 2") uploads.remove(1);
    };
    uploads.add([aFile()]);
    await expect.poll(() => forgotten).toEqual(["upload-1"]);
    expect(uploads.files.value).toEqual([]);
  });
});

it("is said in words how far a file is", () => {
  const step: Step = { phase: "sending", part: 0.459, away: false, id: "upload-1" };
  expect(inProgress(null)).toBe("waits");
  expect(inProgress(step)).toBe("is sent, 45 %");
  expect(inProgress({ ...step, away: true })).toContain("goes on by itself");
  expect(inProgress({ ...step, phase: "checking" })).toContain("looked at");
});
