import { useMemo, useState } from "preact/hooks";
import { DisplayControls } from "./DisplayControls";
import { markersLayer } from "./overlay";
import { type Aperture, onImage, type Pointed } from "./place";
import { pixelScale } from "./sky";
import type { ImageView } from "./ImageView";
import { Stage } from "./Stage";
import { displayOf } from "./stretch";
import type { OpenedImage } from "./useImage";

interface ViewerProps {
  opened: OpenedImage;
  /** A place that the address names, and the apertures that were laid around it. */
  pointed: Pointed | null;
  aperture: Aperture | null;
  viewed?: (view: ImageView | null) => void;
}

/** An image with all that can be done with it. */
export function Viewer({ opened, pointed, aperture, viewed }: ViewerProps) {
  const { tiling, wcs } = opened;
  const [display, setDisplay] = useState(() => displayOf(tiling));
  const layers = useMemo(() => {
    const place = pointed === null ? null : onImage(pointed, wcs);
    if (place === null || aperture === null || wcs === null) return [];
    const { radius, inner, outer } = aperture;
    const radii = [radius, inner, outer].filter((each) => each !== undefined).map((arcsec) => arcsec / pixelScale(wcs));
    return [markersLayer([{ ...place, radii }])];
  }, [pointed, aperture, wcs]);
  return (
    <>
      <DisplayControls tiling={tiling} display={display} change={setDisplay} />
      <Stage opened={opened} display={display} layers={layers} pointed={pointed} viewed={viewed} />
    </>
  );
}
