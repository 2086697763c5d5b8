import { useMemo, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { ImageName } from "../api/analysis";
import { DownloadMenu } from "../download/DownloadMenu";
import { HeaderPanel } from "../header/HeaderPanel";
import type { ImageView } from "../viewer/ImageView";
import { readAddress } from "../viewer/place";
import { useImage } from "../viewer/useImage";
import { Viewer } from "../viewer/Viewer";
import { FrameFacts } from "./FrameFacts";

/** One image: a frame, or an output of an operation. `last` is the end of its address: its name, and a place of it. */
export function ImageScreen({ source, last }: { source: string; last: string }) {
  const { basename, pointed, aperture } = useMemo(() => readAddress(last), [last]);
  const image: ImageName = { basename, source: source === "datalab" ? "datalab" : "archive" };
  const { opened, problem } = useImage(image);
  const view = useRef<ImageView | null>(null);
  const [header, setHeader] = useState(false);
  return (
    <section class="image" aria-label={`Image ${basename}`}>
      <div class="heading">
        <p class="path"><Link href="/">Night</Link> / <strong>{basename}</strong></p>
        <span class="grow" />
        <button type="button" aria-pressed={header} onClick={() => setHeader(!header)}>Header</button>
        <DownloadMenu image={image} seen={() => view.current?.seen() ?? null} />
      </div>
      <div class={header ? "header-beside" : ""}>
        {problem !== "" ? (
          <p class="problem" role="alert">{problem}</p>
        ) : opened === null ? (
          <p class="waiting" role="status">Opening the image …</p>
        ) : (
          <div><Viewer key={`${source} ${basename}`} opened={opened} pointed={pointed} aperture={aperture} viewed={(shown) => (view.current = shown)} /></div>
        )}
        {header && <HeaderPanel image={image} close={() => setHeader(false)} />}
      </div>
      {image.source === "archive" && <FrameFacts basename={basename} />}
    </section>
  );
}
