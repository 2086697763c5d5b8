import { useEffect, useState } from "preact/hooks";
import { analysed, type ImageName } from "../api/analysis";
import { problemOf } from "../words";
import type { LinearWcs } from "./sky";
import type { Tiling } from "./tiling";

/** What has to be known of an image before it is shown; `wcs` may come later, and is null where there is none. */
export interface OpenedImage {
  image: ImageName;
  tiling: Tiling;
  wcs: LinearWcs | null;
}

/** Opens an image, and says why where that cannot be. */
export function useImage(image: ImageName): { opened: OpenedImage | null; problem: string } {
  const { basename, source } = image;
  const [opened, setOpened] = useState<OpenedImage | null>(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    setOpened(null);
    setProblem("");
    let gone = false;
    analysed<Tiling>("tiling", image)
      .then((tiling) => {
        if (gone) return;
        setOpened({ image, tiling, wcs: null });
        if (!tiling.has_wcs) return;
        // Galactic coordinates, for instance, are none that are shown here.
        void analysed<LinearWcs>("wcs", image).then((wcs) => !gone && setOpened({ image, tiling, wcs }), () => undefined);
      })
      .catch((error: unknown) => !gone && setProblem(problemOf(error)));
    return () => {
      gone = true;
    };
  }, [basename, source]);

  return { opened, problem };
}
