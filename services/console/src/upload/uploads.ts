/** The files that are being sent from this page; they go on while other screens are looked at. */
import { computed, signal } from "@preact/signals";
import { answered, api } from "../api/client";
import { problemOf } from "../words";
import { giveUp, routes } from "./routes";
import { FileRefusedError, sendFile, type Step, type UploadRoutes } from "./sending";

export interface SentFile {
  readonly number: number;
  readonly file: File;
  step: Step | null;
  /** What became of it; null while it is under way. */
  outcome: { state: "ingested"; frame: string; site: string } | { state: "refused" | "failed"; reason: string } | null;
}

/** Files sent at once: one is put together while another is sent. */
const AT_ONCE = 2;

export class Uploads {
  readonly files = signal<readonly SentFile[]>([]);
  /** The sites of frames that came in. */
  readonly sites = computed(() => [
    ...new Set(this.files.value.flatMap(({ outcome }) => (outcome?.state === "ingested" && outcome.site !== "" ? [outcome.site] : []))),
  ]);
  private readonly ends = new Map<number, AbortController>();
  private readonly waiting: number[] = [];
  private running = 0;
  private last = 0;

  constructor(
    private readonly requests: UploadRoutes = routes,
    private readonly siteOf: (basename: string) => Promise<string> = siteOfFrame,
    private readonly forget: (id: string) => Promise<unknown> = giveUp,
  ) {}

  add(files: Iterable<File>): void {
    for (const file of files) {
      this.last += 1;
      this.files.value = [...this.files.value, { number: this.last, file, step: null, outcome: null }];
      this.waiting.push(this.last);
    }
    this.work();
  }

  /** Sends a file again that failed: only what has not arrived. */
  again(number: number): void {
    this.change(number, { step: null, outcome: null });
    this.waiting.push(number);
    this.work();
  }

  /** Takes a file off the list; what has arrived of it is thrown away if it is not complete. */
  remove(number: number): void {
    const upload = this.files.value.find((each) => each.number === number);
    this.ends.get(number)?.abort();
    this.files.value = this.files.value.filter((each) => each.number !== number);
    const id = upload?.step?.id ?? null;
    if (id !== null && upload?.step?.phase === "sending") void this.forget(id).catch(() => undefined); // it goes after a week
  }

  removeEnded(): void {
    this.files.value = this.files.value.filter((each) => each.outcome === null || each.outcome.state === "failed");
  }

  private change(number: number, change: Partial<SentFile>): void {
    this.files.value = this.files.value.map((each) => (each.number === number ? { ...each, ...change } : each));
  }

  private work(): void {
    while (this.running < AT_ONCE && this.waiting.length > 0) {
      const number = this.waiting.shift();
      const next = this.files.value.find((each) => each.number === number);
      if (next === undefined) continue;
      this.running += 1;
      void this.send(next).finally(() => {
        this.running -= 1;
        this.work();
      });
    }
  }

  private async send({ number, file }: SentFile): Promise<void> {
    const end = new AbortController();
    this.ends.set(number, end);
    try {
      const told = (step: Step) => this.change(number, { step });
      const upload = await sendFile(file, this.requests, { told, end: end.signal });
      if (upload.frame !== null) {
        const site = await this.siteOf(upload.frame).catch(() => "");
        this.change(number, { outcome: { state: "ingested", frame: upload.frame, site } });
      } else {
        this.change(number, { outcome: { state: "refused", reason: upload.reason ?? "The archive does not say why." } });
      }
    } catch (error) {
      this.change(number, { outcome: { state: error instanceof FileRefusedError ? "refused" : "failed", reason: reasonOf(error) } });
    } finally {
      this.ends.delete(number);
    }
  }
}

function reasonOf(error: unknown): string {
  const unreadable = error instanceof DOMException && error.name === "NotReadableError";
  return unreadable ? "The file cannot be read: was it moved, or changed since it was chosen?" : problemOf(error);
}

async function siteOfFrame(basename: string): Promise<string> {
  const page = await answered(api.GET("/api/frames", { params: { query: { basename_exact: basename } } }));
  return page.results[0]?.site_id ?? "";
}

export const uploads = new Uploads();

/** Returns what a file does at present, for people to read. */
export function inProgress(step: Step | null): string {
  if (step === null) return "waits";
  if (step.away) return "the connection is lost; it goes on by itself";
  const percent = `${Math.floor(100 * step.part)} %`;
  return { reading: `is read, ${percent}`, sending: `is sent, ${percent}`, checking: "has arrived, is looked at" }[step.phase];
}
