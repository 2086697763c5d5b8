import { useState } from "preact/hooks";
import type { InputImage } from "../api/sessions";
import { ClickOnImage } from "./ClickOnImage";
import { withPosition } from "./positions";

interface PositionsFieldProps {
  id: string;
  images: readonly InputImage[];
  value: string;
  change: (value: string) => void;
}

/** Where a target was at some times, as a text; a click on an image adds where it is there, at the time of the image. */
export function PositionsField({ id, images, value, change }: PositionsFieldProps) {
  const [said, setSaid] = useState("");
  const dated = images.filter((image) => Number.isFinite(Date.parse(image.observed ?? "")));
  return (
    <>
      <textarea id={id} rows={3} value={value} aria-describedby={`${id}-about ${id}-problem`} onInput={(event) => change(event.currentTarget.value)} />
      <ClickOnImage
        images={dated}
        chosen={null}
        picked={(place, image) => {
          const added = withPosition(value, place, image.observed ?? "", image.exposure ?? 0);
          change(added);
          setSaid(`${added.split(";").length} positions. Choose another image for the next.`);
        }}
      />
      <p class="detail" role="status">{said}</p>
    </>
  );
}
