import { useMemo, useState } from "preact/hooks";
import type { InputImage } from "../api/sessions";
import { Picture } from "../parts/Picture";
import { utc } from "../words";
import { filtersOf, keyOf, type WizardInput } from "./wizardForm";

interface ImagesFieldProps {
  id: string;
  input: WizardInput;
  images: readonly InputImage[];
  value: string[];
  change: (value: string[]) => void;
}

/** So many images have to be looked through by eye; with more there are ways to find some. */
const EASY = 8;

/** Images to be given to an operation, found by filter, origin and name where there are many. */
export function ImagesField({ id, input, images, value, change }: ImagesFieldProps) {
  const [sieve, setSieve] = useState(NOTHING_LEFT_OUT);
  const shown = useMemo(() => images.filter((image) => passes(sieve, image)), [images, sieve]);
  const one = input.maximum === 1;
  if (images.length === 0) {
    const filters = input.filter_options === undefined ? "" : ` It takes images of the filters ${input.filter_options.join(", ")}.`;
    return <p class={input.minimum === 0 || input.minimum === undefined ? "detail" : "problem"}>The session has no image that can be used.{filters}</p>;
  }
  const chosen = new Set(value);
  const unseen = value.length - shown.filter((image) => chosen.has(keyOf(image))).length;

  function toggle(key: string, on: boolean) {
    if (one) change(on ? [key] : []);
    else change(on ? [...value, key] : value.filter((each) => each !== key));
  }

  return (
    <>
      {images.length > EASY && <Sieving images={images} sieve={sieve} change={setSieve} />}
      <p class="choice">
        {!one && <button type="button" disabled={shown.length === 0} onClick={() => change(images.filter((image) => chosen.has(keyOf(image)) || passes(sieve, image)).map(keyOf))}>Choose {shown.length === images.length ? `all ${images.length}` : `the ${shown.length} shown`}</button>}
        <button type="button" disabled={value.length === 0} onClick={() => change([])}>Choose none</button>
        <span class="detail" role="status">{value.length} of {images.length} chosen{unseen > 0 ? `, ${unseen} of them not shown` : ""}</span>
      </p>
      {shown.length === 0 && <p>No image is like that.</p>}
      <ul class="strip">
        {shown.map((image) => (
          <li key={keyOf(image)}>
            <label class="pick">
              <input type={one ? "radio" : "checkbox"} name={id} checked={chosen.has(keyOf(image))} onChange={(event) => toggle(keyOf(image), event.currentTarget.checked)} />
              <Picture basename={image.basename} link={image.picture} />
              <span>{image.label}</span>
              <small>{[image.filter, image.kind, image.exposure === null ? "" : `${image.exposure} s`].filter(Boolean).join(" · ")}</small>
              <small>{image.observed === null ? "" : utc(image.observed)}</small>
              <small title={image.basename}>{image.basename}</small>
            </label>
          </li>
        ))}
      </ul>
    </>
  );
}

interface Sieve {
  filter: string;
  origin: string;
  kind: string;
  text: string;
}

const NOTHING_LEFT_OUT: Sieve = { filter: "", origin: "", kind: "", text: "" };

const originOf = (image: InputImage) => (image.operation === null ? "frames" : image.label);

function passes({ filter, origin, kind, text }: Sieve, image: InputImage): boolean {
  const named = `${image.label} ${image.basename} ${image.observed ?? ""}`.toLowerCase();
  return (
    (filter === "" || image.filter === filter) &&
    (origin === "" || originOf(image) === origin) &&
    (kind === "" || image.kind === kind) &&
    text.toLowerCase().split(/\s+/).every((word) => named.includes(word))
  );
}

function Sieving({ images, sieve, change }: { images: readonly InputImage[]; sieve: Sieve; change: (sieve: Sieve) => void }) {
  const filters = filtersOf(images);
  const origins = [...new Set(images.map(originOf))];
  const kinds = [...new Set(images.flatMap((image) => image.kind ?? []))];
  return (
    <p class="choice">
      {kinds.length > 1 && <Choice label="Kind" options={kinds} value={sieve.kind} change={(kind) => change({ ...sieve, kind })} />}
      {filters.length > 1 && <Choice label="Filter" options={filters} value={sieve.filter} change={(filter) => change({ ...sieve, filter })} />}
      {origins.length > 1 && <Choice label="From" options={origins} value={sieve.origin} change={(origin) => change({ ...sieve, origin })} />}
      <label>Find <input type="search" value={sieve.text} placeholder="name or date" onInput={(event) => change({ ...sieve, text: event.currentTarget.value })} /></label>
    </p>
  );
}

function Choice({ label, options, value, change }: { label: string; options: readonly string[]; value: string; change: (value: string) => void }) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => change(event.currentTarget.value)}>
        <option value="">all</option>
        {options.map((option) => <option key={option}>{option}</option>)}
      </select>
    </label>
  );
}
