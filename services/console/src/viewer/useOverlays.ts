import { useEffect, useMemo, useState } from "preact/hooks";
import { problemOf } from "../words";
import { gridLayer } from "./grid";
import { type Layer, markersLayer } from "./overlay";
import { type Aperture, onImage, type Pointed } from "./place";
import { pixelScale } from "./sky";
import { type Sources, sourcesLayer, sourcesOf } from "./sources";
import type { OpenedImage } from "./useImage";

export const OVERLAYS = [
  { name: "sources", label: "Sources", key: "s" },
  { name: "apertures", label: "Apertures", key: "a" },
  { name: "grid", label: "Grid", key: "g" },
  { name: "marks", label: "North and scale", key: "n" },
] as const;
export type OverlayName = (typeof OVERLAYS)[number]["name"];

interface Overlays {
  shown: ReadonlySet<OverlayName>;
  toggle: (name: OverlayName) => void;
  /** What there is to say of what is shown: how many sources, or why there is nothing. */
  says: string;
  layers: readonly Layer[];
}

/** What lies over an image until it is put away: apertures, compass and scale from the beginning. */
export function useOverlays(opened: OpenedImage, pointed: Pointed | null, aperture: Aperture | null): Overlays {
  const { image, tiling, wcs } = opened;
  const [shown, setShown] = useState<ReadonlySet<OverlayName>>(() => new Set(["apertures", "marks"]));
  const [sources, setSources] = useState<Sources | string | null>(null);
  const wanted = shown.has("sources");

  useEffect(() => {
    if (!wanted || sources !== null) return;
    let gone = false;
    sourcesOf(image, tiling)
      .then((found) => !gone && setSources(found))
      .catch((error: unknown) => !gone && setSources(problemOf(error)));
    return () => {
      gone = true;
    };
  }, [wanted, sources]);

  const rings = useMemo(() => {
    const place = pointed === null ? null : onImage(pointed, wcs);
    if (place === null || aperture === null || wcs === null) return null;
    const radii = [aperture.radius, aperture.inner, aperture.outer].filter((each) => each !== undefined);
    return markersLayer([{ ...place, radii: radii.map((arcsec) => arcsec / pixelScale(wcs)) }]);
  }, [pointed, aperture, wcs]);
  const rims = useMemo(() => (sources === null || typeof sources === "string" ? null : sourcesLayer(sources)), [sources]);
  const grid = useMemo(() => (wcs === null ? null : gridLayer(wcs)), [wcs]);

  const layers = useMemo(
    () => [shown.has("grid") && grid, shown.has("sources") && rims, shown.has("apertures") && rings].filter((each): each is Layer => each !== false && each !== null),
    [shown, grid, rims, rings],
  );

  function toggle(name: OverlayName) {
    if (name === "sources" && !wanted && typeof sources === "string") setSources(null); // it is tried again
    setShown((before) => {
      const after = new Set(before);
      if (!after.delete(name)) after.add(name);
      return after;
    });
  }

  const says = [
    shown.has("grid") && wcs === null ? "No world coordinates: no grid." : "",
    wanted ? saidOf(sources) : "",
    shown.has("apertures") && rings === null && aperture !== null ? "No world coordinates: apertures have no size here." : "",
  ];
  return { shown, toggle, says: says.filter(Boolean).join(" "), layers };
}

function saidOf(sources: Sources | string | null): string {
  if (sources === null) return "Looking up the sources …";
  if (typeof sources === "string") return sources;
  const count = sources.x.length;
  if (count === 0) return "This image has no catalogue of sources; the operation Source Extraction makes one.";
  return sources.cut ? `The first ${count} sources.` : count === 1 ? "1 source." : `${count} sources.`;
}
