/**
 * Sends a file in parts, and goes on where it was left: after a lost connection, and when it is chosen again.
 *
 * It is what `datalab upload` does (docs/user-guide.md, "Files of your own"). SHA-256 is computed here, not by
 * `crypto.subtle`: that needs a whole file in memory, and is missing in pages that come over plain HTTP.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { RequestError } from "../api/client";
import type { components } from "../api/schema";

export type UploadView = components["schemas"]["PersonalUploadView"];
export type NewUpload = Pick<components["schemas"]["NewUpload"], "file_name" | "size_bytes" | "sha256">;

/** The requests of an upload; every one of them may be repeated. */
export interface UploadRoutes {
  begin(described: NewUpload): Promise<UploadView>;
  /** Returns the SHA-256 of what arrived. */
  sendPart(id: string, number: number, part: Blob, sent: (bytes: number) => void, end: AbortSignal): Promise<string>;
  complete(id: string): Promise<UploadView>;
  look(id: string): Promise<UploadView>;
}

/** How far a file is. */
export interface Step {
  phase: "reading" | "sending" | "checking";
  /** 0 to 1, of its phase. */
  part: number;
  /** Whether the server does not answer at present. */
  away: boolean;
  /** The upload's name, once it has one. */
  id: string | null;
}

export interface Circumstances {
  told: (step: Step) => void;
  end: AbortSignal;
  /** Replaced by tests, which do not wait. */
  pause?: (milliseconds: number) => Promise<void>;
}

/** The server does not take the file, whenever it is sent. */
export class FileRefusedError extends Error {}

/** What is read of a file at once, so that the page goes on answering. */
const READ_BYTES = 4 * 1024 ** 2;
/** A part that came damaged is sent so often at the most. */
const TRIES = 3;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;
/** Where it is looked what became of a file: soon at first. */
const FIRST_LOOK_MS = 200;
const LONGEST_LOOK_MS = 2_000;
/** Answers that say nothing of the request: nobody there, too slow, too many, or a server that is starting. */
const PASSING = new Set([0, 408, 429, 502, 503, 504]);

const SETTLED = new Set<UploadView["state"]>(["ingested", "refused"]);
const waited = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Returns the upload once the archive has looked at the file; throws `FileRefusedError`, `RequestError`, or what `end` was aborted with. */
export async function sendFile(file: File, routes: UploadRoutes, { told, end, pause = waited }: Circumstances): Promise<UploadView> {
  let step: Step = { phase: "reading", part: 0, away: false, id: null };
  const tell = (change: Partial<Step>) => told((step = { ...step, ...change }));

  async function patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(2 * delay, LONGEST_RETRY_MS)) {
      end.throwIfAborted();
      try {
        const answer = await ask();
        if (step.away) tell({ away: false });
        return answer;
      } catch (error) {
        end.throwIfAborted();
        if (!(error instanceof RequestError) || !PASSING.has(error.status)) throw error;
        tell({ away: true });
        await pause(delay);
      }
    }
  }

  tell({});
  const digest = await digestOf(file, (bytes) => tell({ part: bytes / Math.max(1, file.size) }), end);
  let upload = await patiently(() => routes.begin({ file_name: file.name, size_bytes: file.size, sha256: digest })).catch(refused);
  const { id, part_bytes: partBytes } = upload;
  const placeOf = (number: number) => [(number - 1) * partBytes, Math.min(number * partBytes, file.size)] as const;
  if (upload.state === "receiving") {
    let toCome = upload.missing.reduce((sum, number) => sum + placeOf(number)[1] - placeOf(number)[0], 0);
    tell({ phase: "sending", part: 1 - toCome / file.size, id });
    for (const number of upload.missing) {
      const part = file.slice(...placeOf(number));
      const wanted = bytesToHex(sha256(new Uint8Array(await part.arrayBuffer())));
      const rest = toCome;
      const arrived = (bytes: number) => tell({ part: 1 - (rest - bytes) / file.size });
      for (let tries = 1; (await patiently(() => routes.sendPart(id, number, part, arrived, end))) !== wanted; tries += 1) {
        if (tries === TRIES) throw new RequestError(`Part ${number} arrived damaged ${TRIES} times.`, 0);
      }
      toCome -= part.size;
    }
    tell({ phase: "checking", part: 1 });
    upload = await patiently(() => routes.complete(id));
  }
  tell({ phase: "checking", part: 1, id });
  for (let delay = FIRST_LOOK_MS; !SETTLED.has(upload.state); delay = Math.min(2 * delay, LONGEST_LOOK_MS)) {
    await pause(delay);
    upload = await patiently(() => routes.look(id));
  }
  return upload;
}

/** Tells a file that cannot be taken, by its name or its size, from a request that failed. */
function refused(error: unknown): never {
  if (!(error instanceof RequestError) || (error.status !== 400 && error.status !== 413)) throw error;
  throw new FileRefusedError(error.message.replace(/^(file_name|size_bytes): /, ""));
}

async function digestOf(file: File, read: (bytes: number) => void, end: AbortSignal): Promise<string> {
  const digest = sha256.create();
  for (let start = 0; start < file.size; start += READ_BYTES) {
    end.throwIfAborted();
    digest.update(new Uint8Array(await file.slice(start, start + READ_BYTES).arrayBuffer()));
    read(Math.min(start + READ_BYTES, file.size));
  }
  return bytesToHex(digest.digest());
}
