import { useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import type { ImageName } from "../api/analysis";
import { readAddress } from "../viewer/place";
import { useImage } from "../viewer/useImage";
import { Viewer } from "../viewer/Viewer";
import { FrameFacts } from "./FrameFacts";

/** One image: a frame, or an output of an operation. `last` is the end of its address: its name, and a place of it. */
export function ImageScreen({ source, last }: { source: string; last: string }) {
  const { basename, pointed, aperture } = useMemo(() => readAddress(last), [last]);
  const image: ImageName = { basename, source: source === "datalab" ? "datalab" : "archive" };
  const { opened, problem } = useImage(image);
  return (
    <section class="image" aria-label={`Image ${basename}`}>
      <p class="path"><Link href="/">Night</Link> / <strong>{basename}</strong></p>
      {problem !== "" ? (
        <p class="problem" role="alert">{problem}</p>
      ) : opened === null ? (
        <p class="waiting" role="status">Opening the image …</p>
      ) : (
        <Viewer key={`${source} ${basename}`} opened={opened} pointed={pointed} aperture={aperture} />
      )}
      {image.source === "archive" && <FrameFacts basename={basename} />}
    </section>
  );
}
