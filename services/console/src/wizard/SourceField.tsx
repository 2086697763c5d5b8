import { useRef, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import type { InputImage } from "../api/sessions";
import { problemOf } from "../words";
import { declination, rightAscension } from "./angles";
import { ClickOnImage } from "./ClickOnImage";
import type { Source } from "./wizardForm";

interface SourceFieldProps {
  id: string;
  images: readonly InputImage[];
  value: Source;
  change: (value: Source) => void;
}

/** A place on the sky: looked up by its name, clicked on an image, or given in degrees or as hours and degrees. */
export function SourceField({ id, images, value, change }: SourceFieldProps) {
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  const asked = useRef("");
  /** The position that belongs to the name: another name has another one. */
  const looked = useRef("");
  const name = value.name.trim();
  const [ra, dec] = [rightAscension(value.ra), declination(value.dec)];

  async function lookUp() {
    asked.current = name;
    setSaid("Looking …");
    setProblem("");
    try {
      const found = await answered(api.GET("/api/names/{name}", { params: { path: { name } } }));
      if (asked.current !== name) return; // another name was typed meanwhile
      setSaid("error" in found ? "" : `Found ${found.name}.`);
      if ("error" in found) {
        setProblem(found.error);
        return;
      }
      const place = { ra: String(found.ra_d), dec: String(found.dec_d) };
      looked.current = `${place.ra} ${place.dec}`;
      change({ name: value.name, ...place });
    } catch (error) {
      setSaid("");
      setProblem(problemOf(error));
    }
  }

  function typed(part: Partial<Source>) {
    asked.current = "";
    setSaid("");
    setProblem("");
    const isOfName = looked.current === `${value.ra} ${value.dec}`;
    change({ ...value, ...(isOfName && part.name !== undefined ? { ra: "", dec: "" } : {}), ...part });
  }

  return (
    <>
      <div class="choice">
        <label>
          Name
          <input
            id={id}
            value={value.name}
            placeholder="M 31"
            onInput={(event) => typed({ name: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || name === "") return;
              event.preventDefault(); // it is not the form that is sent
              void lookUp();
            }}
          />
        </label>
        <button type="button" disabled={name === ""} onClick={() => void lookUp()}>Look up</button>
        <label>RA <input size={14} value={value.ra} placeholder="degrees or h:m:s" onInput={(event) => typed({ ra: event.currentTarget.value })} /></label>
        <label>Dec <input size={14} value={value.dec} placeholder="degrees or d:m:s" onInput={(event) => typed({ dec: event.currentTarget.value })} /></label>
      </div>
      <p class="detail" role="status">{said}</p>
      <p class="problem" role="alert">{problem}</p>
      <ClickOnImage
        images={images}
        chosen={ra === null || dec === null ? null : { ra, dec }}
        picked={({ ra, dec }) => {
          typed({ name: "", ra: ra.toFixed(6), dec: dec.toFixed(6) });
          setSaid(`Chosen: ${ra.toFixed(5)}°, ${dec.toFixed(5)}°.`);
        }}
      />
    </>
  );
}
