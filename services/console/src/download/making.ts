/** Files that the server makes of an image, to be saved: asked for until they are there. Nothing of them comes into the page. */
import { analysed, type ImageName, UnfinishedError } from "../api/analysis";

export interface FileKind {
  action: string;
  /** Under which name the answer has the link. */
  link: string;
  label: string;
}

export const FILE_KINDS: readonly FileKind[] = [
  { action: "funpack", link: "fits_url", label: "FITS, unpacked" },
  { action: "get-tif-16bit", link: "tif_url", label: "TIFF, 16 bits (bzip2)" },
  { action: "get-tif", link: "tif_url", label: "TIFF, 8 bits" },
  { action: "get-jpg-file", link: "jpg_url", label: "JPEG" },
  { action: "get-png", link: "png_url", label: "PNG" },
];

/** Returns the link to a file when it is made; `told` hears how far it is. Throws `RequestError`, and when `signal` says so. */
export async function madeFile(kind: FileKind, image: ImageName, told: (message: string) => void, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      const answer = await analysed<Record<string, unknown>>(kind.action, image, {}, signal);
      const link = answer[kind.link];
      if (typeof link !== "string") throw new Error("The server gave no link.");
      return link;
    } catch (error) {
      if (!(error instanceof UnfinishedError)) throw error;
      told(error.message);
      await pause(error.againInS * 1000, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Error("Given up."));
    });
  });
}

/** Has the browser save what a link leads to; a large file goes from the server to the disk. */
export function save(link: string, name = ""): void {
  const anchor = document.createElement("a");
  anchor.href = link;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
