import { useMemo, useState } from "preact/hooks";
import type { ImageName } from "../api/analysis";
import { DisplayControls } from "./DisplayControls";
import { type Marker, markersLayer } from "./overlay";
import { onImage, type Picked, pickedAt, type Pointed } from "./place";
import { Stage } from "./Stage";
import { displayOf } from "./stretch";
import { type OpenedImage, useImage } from "./useImage";

interface SkyPickerProps {
  image: ImageName;
  /** What is chosen already: marked. */
  chosen: Pointed | null;
  /** Called with each click on the image, and with Enter for the middle of what is seen. */
  picked: (place: Picked) => void;
}

/** An image to choose a place of by a click. Heavy: load it with `import()` where it is not the first thing that is seen. */
export function SkyPicker({ image, chosen, picked }: SkyPickerProps) {
  const { opened, problem } = useImage(image);
  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  if (opened === null) return <p class="waiting" role="status">Opening the image …</p>;
  return <Picking key={`${image.source} ${image.basename}`} opened={opened} chosen={chosen} picked={picked} />;
}

function Picking({ opened, chosen, picked }: { opened: OpenedImage; chosen: Pointed | null; picked: (place: Picked) => void }) {
  const { tiling, wcs } = opened;
  const [display, setDisplay] = useState(() => displayOf(tiling));
  const [sharp, setSharp] = useState(false);
  const layers = useMemo(() => {
    const place = chosen === null ? null : onImage(chosen, wcs);
    return place === null ? [] : [markersLayer([place satisfies Marker])];
  }, [chosen === null ? "" : Object.values(chosen).join(" "), wcs]);
  const size = tiling.levels[0] ?? { width: 0, height: 0 };
  const pick = ({ x, y }: { x: number; y: number }) => {
    if (x >= 0 && y >= 0 && x < size.width && y < size.height) picked(pickedAt(x, y, wcs));
  };
  return (
    <div class="picker">
      <DisplayControls image={opened.image} tiling={tiling} display={display} change={setDisplay} counted={sharp} />
      <Stage opened={opened} display={display} layers={layers} deeds={{ clicked: pick }} keys={{ Enter: pick }} sharpened={() => setSharp(true)} />
      {!tiling.has_wcs && <p class="hint">This image has no world coordinates: a click tells no right ascension and declination.</p>}
    </div>
  );
}
