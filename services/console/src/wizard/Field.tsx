import { later } from "../parts/later";
import type { InputImage } from "../api/sessions";
import type { Channel } from "./channels";
import { ImagesField } from "./ImagesField";
import { PositionsField } from "./PositionsField";
import { SourceField } from "./SourceField";
import { choosable, type FieldValue, rangeOf, type Source, type WizardInput } from "./wizardForm";

const ChannelsField = later(() => import("./ChannelsField").then((module) => module.ChannelsField));

interface FieldProps {
  id: string;
  input: WizardInput;
  images: readonly InputImage[];
  value: FieldValue;
  problem: string;
  change: (value: FieldValue) => void;
}

/** One input of an operation: what it is called and for, what may be given, and what is wrong with what is. */
export function Field(props: FieldProps) {
  const { id, input, problem } = props;
  const isGroup = input.type === "fits" || input.type === "source" || input.holds !== undefined;
  const range = rangeOf(input);
  const about = (
    <>
      <small id={`${id}-about`} class="detail">{[input.description, range].filter(Boolean).join(" · ")}</small>
      <small id={`${id}-problem`} class="problem" role="alert">{problem}</small>
    </>
  );
  const wrong = problem === "" ? "" : " wrong";
  return isGroup ? (
    <fieldset class={`question${wrong}`} aria-describedby={`${id}-about ${id}-problem`}>
      <legend>{input.name}</legend>
      {about}
      <Group {...props} />
    </fieldset>
  ) : (
    <div class={`field${wrong}`}>
      <label for={id}>{input.name}</label>
      <Single {...props} />
      {about}
    </div>
  );
}

function Group({ id, input, images, value, change }: FieldProps) {
  if (input.type === "source") return <SourceField id={id} images={images} value={value as Source} change={change} />;
  if (input.holds === "target_positions") return <PositionsField id={id} images={images} value={value as string} change={change} />;
  if (input.color_picker === true) return <ChannelsField images={images} value={value as Channel[]} most={input.maximum ?? 6} change={change} />;
  return <ImagesField id={id} input={input} images={choosable(input, images)} value={value as string[]} change={change} />;
}

function Single({ id, input, value, problem, change }: FieldProps) {
  const text = value as string;
  const described = { id, "aria-describedby": `${id}-about ${id}-problem`, "aria-invalid": problem !== "" };
  if (input.type === "select") {
    return (
      <select {...described} value={text} onChange={(event) => change(event.currentTarget.value)}>
        {(input.options ?? []).map((option) => <option key={option}>{option}</option>)}
      </select>
    );
  }
  return (
    <input
      {...described}
      value={text}
      placeholder={input.default == null ? "" : String(input.default)}
      inputMode={input.type === "int" ? "numeric" : input.type === "float" ? "decimal" : "text"}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}
