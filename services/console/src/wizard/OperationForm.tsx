import { useMemo, useRef, useState } from "preact/hooks";
import { imagesOf, type Operation, RefusedInput, type Session, startOperation } from "../api/sessions";
import { problemOf } from "../words";
import { Field } from "./Field";
import type { WizardStart } from "./Wizard";
import { beginning, former, type OperationDescription, problems, sent, shownInputs, type Values } from "./wizardForm";

interface OperationFormProps {
  session: Session;
  operation: OperationDescription;
  start: WizardStart;
  started: (operation: Operation) => void;
}

/** What the server said of one input; with no input, of all of them. */
interface Refusal {
  input: string;
  text: string;
}

const NO_REFUSAL: Refusal = { input: "", text: "" };

/** The inputs of one operation. What is wrong is said beside each, also what only the server can know. */
export function OperationForm({ session, operation, start, started }: OperationFormProps) {
  const images = useMemo(() => imagesOf(session), [session]);
  const [values, setValues] = useState<Values>(() =>
    start.former === null ? beginning(operation, images, start.images) : former(operation, start.former, images),
  );
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(NO_REFUSAL);
  const form = useRef<HTMLFormElement>(null);
  const sending = useRef(false);
  const key = useRef("");
  const shown = shownInputs(operation, values);
  const wrong = problems(operation, values, images);
  const hasPlace = shown.some(([input]) => input === refusal.input);

  function change(input: string, value: Values[string]) {
    key.current = ""; // another request
    setValues((before) => ({ ...before, [input]: value }));
    setRefusal((before) => (before.input === input || before.input === "" ? NO_REFUSAL : before));
  }

  async function submit(event: SubmitEvent) {
    event.preventDefault();
    if (sending.current) return; // a double click starts one operation
    setTried(true);
    if (Object.keys(wrong).length > 0) {
      focusOnProblem();
      return;
    }
    sending.current = true;
    setBusy(true);
    key.current ||= newKey(); // a request that is sent again after a lost answer starts no second one
    try {
      started(await startOperation(session.id, operation.name, sent(operation, values, images), key.current));
    } catch (error) {
      setRefusal({ input: error instanceof RefusedInput ? error.input : "", text: problemOf(error) });
      focusOnProblem();
    } finally {
      sending.current = false;
      setBusy(false);
    }
  }

  /** Goes to the first input that something is wrong with, once that is shown. */
  function focusOnProblem() {
    setTimeout(() => form.current?.querySelector<HTMLElement>(".wrong :is(input, select, textarea, button)")?.focus());
  }

  return (
    <form class="form" ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <p class="hint">{operation.description}</p>
      {shown.map(([input, description]) => (
        <Field
          key={input}
          id={`field-${input}`}
          input={description}
          images={images}
          value={values[input] ?? ""}
          problem={refusal.input === input ? refusal.text : tried ? (wrong[input] ?? "") : ""}
          change={(value) => change(input, value)}
        />
      ))}
      <p class="problem" role="alert">{hasPlace ? "" : refusal.text}</p>
      <p><button type="submit" class="first" aria-disabled={busy}>{busy ? "Starting …" : "Start"}</button></p>
    </form>
  );
}

/** Returns a text that is never used twice. Pages that came without TLS have no `crypto.randomUUID`. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");
}
