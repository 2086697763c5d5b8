import { useEffect, useState } from "preact/hooks";
import { analysed } from "../api/analysis";
import { answered, api } from "../api/client";
import { imagesOf, type InputImage, type Session, startOperation } from "../api/sessions";
import type { Tiling } from "../viewer/tiling";
import { Picture } from "../parts/Picture";
import { problemOf } from "../words";
import { beginning, type Channel, choosable, keyOf, type OperationDescription, problems, sent, type Source, type Values, type WizardInput } from "./wizardForm";

interface WizardProps {
  session: Session;
  started: () => void;
  left: () => void;
}

/** Chooses an operation, and asks for what its own description says it needs. */
export function Wizard({ session, started, left }: WizardProps) {
  const [offered, setOffered] = useState<Record<string, OperationDescription> | null>(null);
  const [chosen, setChosen] = useState<OperationDescription | null>(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    answered(api.GET("/api/available_operations"))
      .then((found) => setOffered(found as unknown as Record<string, OperationDescription>))
      .catch((error: unknown) => setProblem(problemOf(error)));
  }, []);

  return (
    <section class="wizard" aria-label="New operation">
      <div class="heading">
        <h2>{chosen === null ? "New operation" : chosen.name}</h2>
        <span class="grow" />
        {chosen !== null && <button type="button" onClick={() => setChosen(null)}>Another one</button>}
        <button type="button" onClick={left}>Close</button>
      </div>
      <p class="problem" role="alert">{problem}</p>
      {chosen === null ? (
        <ul class="offers">
          {Object.values(offered ?? {}).map((operation) => (
            <li key={operation.name}>
              <button type="button" onClick={() => setChosen(operation)}>
                <strong>{operation.name}</strong>
                <span>{operation.description}</span>
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <OperationForm key={chosen.name} session={session} operation={chosen} started={started} />
      )}
    </section>
  );
}

function OperationForm({ session, operation, started }: { session: Session; operation: OperationDescription; started: () => void }) {
  const images = imagesOf(session);
  const [values, setValues] = useState<Values>(() => beginning(operation, images));
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState("");
  const wrong = problems(operation, values);

  async function submit(event: SubmitEvent) {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      await startOperation(session.id, operation.name, sent(operation, await withLimits(operation, values, images), images));
      started();
    } catch (error) {
      setRefusal(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form class="form" onSubmit={(event) => void submit(event)} noValidate>
      <p class="hint">{operation.description}</p>
      {Object.entries(operation.inputs).map(([key, input]) => (
        <Field
          key={key}
          id={`field-${key}`}
          input={input}
          images={images}
          value={values[key] ?? ""}
          problem={tried ? (wrong[key] ?? "") : ""}
          change={(value) => setValues((before) => ({ ...before, [key]: value }))}
        />
      ))}
      <p class="problem" role="alert">{refusal}</p>
      <button type="submit" class="first" disabled={busy}>{busy ? "Starting …" : "Start"}</button>
    </form>
  );
}

/** Returns the values with limits for channels that have none: those the viewer begins with. */
async function withLimits(operation: OperationDescription, values: Values, images: readonly InputImage[]): Promise<Values> {
  const made = { ...values };
  for (const [key, input] of Object.entries(operation.inputs)) {
    if (input.color_picker !== true) continue;
    made[key] = await Promise.all(
      (values[key] as Channel[]).map(async (channel) => {
        if (channel.low !== null && channel.high !== null) return channel;
        const image = images.find((each) => keyOf(each) === channel.image);
        if (image === undefined) return channel;
        const [low, high] = (await analysed<Tiling>("tiling", { basename: image.basename, source: image.source })).zscale;
        return { ...channel, low: channel.low ?? low, high: channel.high ?? high };
      }),
    );
  }
  return made;
}

interface FieldProps {
  id: string;
  input: WizardInput;
  images: readonly InputImage[];
  value: Values[string];
  problem: string;
  change: (value: Values[string]) => void;
}

function Field({ id, input, images, value, problem, change }: FieldProps) {
  const grouped = input.type === "fits" || input.type === "source";
  const described = `${id}-about`;
  const about = (
    <>
      <small id={described} class="detail">{input.description}</small>
      {problem !== "" && <small class="problem" role="alert">{problem}</small>}
    </>
  );
  if (grouped) {
    return (
      <fieldset>
        <legend>{input.name}</legend>
        {input.type === "source" ? (
          <SourceField id={id} value={value as Source} change={change} />
        ) : input.color_picker === true ? (
          <ChannelsField images={images} value={value as Channel[]} most={input.maximum ?? 6} change={change} />
        ) : (
          <ImagesField id={id} input={input} images={choosable(input, images)} value={value as string[]} change={change} />
        )}
        {about}
      </fieldset>
    );
  }
  const text = value as string;
  return (
    <div class="field">
      <label for={id}>{input.name}</label>
      {input.type === "select" ? (
        <select id={id} value={text} aria-describedby={described} onChange={(event) => change(event.currentTarget.value)}>
          {(input.options ?? []).map((option) => <option key={option}>{option}</option>)}
        </select>
      ) : (
        <input
          id={id}
          value={text}
          inputMode={input.type === "int" ? "numeric" : input.type === "float" ? "decimal" : "text"}
          aria-describedby={described}
          aria-invalid={problem !== ""}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
      {about}
    </div>
  );
}

function ImagesField({ id, input, images, value, change }: { id: string; input: WizardInput; images: readonly InputImage[]; value: string[]; change: (value: string[]) => void }) {
  const one = input.maximum === 1;
  if (images.length === 0) {
    return <p class="problem">The session has no image that can be used{input.filter_options ? ` (filters ${input.filter_options.join(", ")})` : ""}.</p>;
  }
  const toggled = (key: string, on: boolean) => change(one ? (on ? [key] : []) : on ? [...value, key] : value.filter((each) => each !== key));
  return (
    <>
      {!one && (
        <p class="choice">
          <button type="button" onClick={() => change(images.map(keyOf))}>All {images.length}</button>
          <button type="button" onClick={() => change([])}>None</button>
          <span class="detail">{value.length} chosen</span>
        </p>
      )}
      <ul class="strip">
        {images.map((image) => (
          <li key={keyOf(image)}>
            <label class="pick">
              <input type={one ? "radio" : "checkbox"} name={id} checked={value.includes(keyOf(image))} onChange={(event) => toggled(keyOf(image), event.currentTarget.checked)} />
              <Picture basename={image.basename} link={image.picture} />
              <span>{image.label}</span>
              <small>{image.filter ?? ""} {image.basename}</small>
            </label>
          </li>
        ))}
      </ul>
    </>
  );
}

function SourceField({ id, value, change }: { id: string; value: Source; change: (value: Source) => void }) {
  const [problem, setProblem] = useState("");

  async function lookUp() {
    try {
      const found = await answered(api.GET("/api/names/{name}", { params: { path: { name: value.name } } }));
      if ("error" in found) {
        setProblem(found.error);
        return;
      }
      change({ ...value, ra: String(found.ra_d), dec: String(found.dec_d) });
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  return (
    <div class="choice">
      <label>Name <input id={id} value={value.name} onInput={(event) => change({ ...value, name: event.currentTarget.value })} /></label>
      <button type="button" disabled={value.name.trim() === ""} onClick={() => void lookUp()}>Look up</button>
      <label>RA, degrees <input inputMode="decimal" value={value.ra} onInput={(event) => change({ ...value, ra: event.currentTarget.value })} /></label>
      <label>Dec, degrees <input inputMode="decimal" value={value.dec} onInput={(event) => change({ ...value, dec: event.currentTarget.value })} /></label>
      <small class="problem" role="alert">{problem}</small>
    </div>
  );
}

function ChannelsField({ images, value, most, change }: { images: readonly InputImage[]; value: Channel[]; most: number; change: (value: Channel[]) => void }) {
  const changed = (place: number, part: Partial<Channel>) => change(value.map((channel, each) => (each === place ? { ...channel, ...part } : channel)));
  const limit = (text: string) => (text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));
  return (
    <>
      {value.map((channel, place) => (
        <div class="choice" key={place}>
          <label>Color <input type="color" value={channel.colour} onInput={(event) => changed(place, { colour: event.currentTarget.value })} /></label>
          <label>
            Image
            <select value={channel.image} onChange={(event) => changed(place, { image: event.currentTarget.value, low: null, high: null })}>
              <option value="">choose …</option>
              {images.map((image) => <option key={keyOf(image)} value={keyOf(image)}>{[image.filter, image.label, image.basename].filter(Boolean).join(" · ")}</option>)}
            </select>
          </label>
          <label>Black <input inputMode="decimal" size={8} placeholder="automatic" value={channel.low ?? ""} onChange={(event) => changed(place, { low: limit(event.currentTarget.value) })} /></label>
          <label>White <input inputMode="decimal" size={8} placeholder="automatic" value={channel.high ?? ""} onChange={(event) => changed(place, { high: limit(event.currentTarget.value) })} /></label>
          <button type="button" disabled={value.length === 1} onClick={() => change(value.filter((_, each) => each !== place))}>Remove</button>
        </div>
      ))}
      {value.length < most && <button type="button" onClick={() => change([...value, { image: "", colour: "#ffffff", low: null, high: null }])}>Another channel</button>}
    </>
  );
}
