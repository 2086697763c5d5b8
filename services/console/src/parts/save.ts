/** Files that a page makes. */

/** Has the browser save a file. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // Browsers that ask where to put it read it later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const saveText = (name: string, kind: string, text: string) => save(name, new Blob([text], { type: kind }));

/** Pixels of a picture for each of the page. */
const SHARPNESS = 2;

/** Returns an SVG as PNG. */
export async function pngOf(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = SHARPNESS * image.naturalWidth;
    canvas.height = SHARPNESS * image.naturalHeight;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((made, failed) =>
      canvas.toBlob((png) => (png === null ? failed(new Error("This browser made no PNG.")) : made(png)), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(image.src);
  }
}
