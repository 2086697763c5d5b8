import { useState } from "preact/hooks";
import type { InputImage } from "../api/sessions";
import { later } from "../parts/later";
import { utc } from "../words";
import { keyOf } from "./wizardForm";

const SkyPicker = later(() => import("../viewer/SkyPicker").then((module) => module.SkyPicker));

interface ClickOnImageProps {
  images: readonly InputImage[];
  /** The place that is chosen already, in degrees. */
  chosen: { ra: number; dec: number } | null;
  picked: (place: { ra: number; dec: number }, image: InputImage) => void;
}

/** An image, on demand, on which a click chooses a place on the sky. */
export function ClickOnImage({ images, chosen, picked }: ClickOnImageProps) {
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState("");
  const [problem, setProblem] = useState("");
  const image = images.find((each) => keyOf(each) === shown) ?? images[0];
  if (image === undefined) return null;
  return (
    <div class="click-on-image">
      <p class="choice">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>Choose on an image</button>
        {open && (
          <label class="wide">
            Image
            <select value={keyOf(image)} onChange={(event) => setShown(event.currentTarget.value)}>
              {images.map((each) => <option key={keyOf(each)} value={keyOf(each)}>{[each.filter, each.label, each.observed === null ? "" : utc(each.observed), each.basename].filter(Boolean).join(" · ")}</option>)}
            </select>
          </label>
        )}
      </p>
      <p class="problem" role="alert">{problem}</p>
      {open && (
        <SkyPicker
          image={{ basename: image.basename, source: image.source }}
          chosen={chosen}
          picked={({ sky }) => {
            setProblem(sky === null ? "This image does not tell where on the sky it is: choose another, or solve it with Plate Solving." : "");
            if (sky !== null) picked(sky, image);
          }}
        />
      )}
    </div>
  );
}
