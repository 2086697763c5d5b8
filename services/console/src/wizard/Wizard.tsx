import { useEffect, useRef, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import type { Operation, Session } from "../api/sessions";
import { problemOf } from "../words";
import { OperationForm } from "./OperationForm";
import type { OperationDescription } from "./wizardForm";
import "./wizard.css";

/** What a wizard begins with: images that are to be used, or an operation that is to be changed. */
export interface WizardStart {
  images: readonly string[];
  former: Operation | null;
}

interface WizardProps {
  session: Session;
  start: WizardStart;
  started: (operation: Operation) => void;
  left: () => void;
}

/** Chooses an operation, and asks for what its own description says it needs. */
export function Wizard({ session, start, started, left }: WizardProps) {
  const [offered, setOffered] = useState<Record<string, OperationDescription> | null>(null);
  const [chosen, setChosen] = useState(start.former?.name ?? null);
  const [problem, setProblem] = useState("");
  const place = useRef<HTMLElement>(null);

  useEffect(() => {
    answered(api.GET("/api/available_operations"))
      .then((found) => setOffered(found as unknown as Record<string, OperationDescription>))
      .catch((error: unknown) => setProblem(problemOf(error)));
  }, []);
  const operation = chosen === null ? undefined : offered?.[chosen];
  useEffect(() => {
    place.current?.focus({ preventScroll: true });
    place.current?.scrollIntoView({ block: "start" });
  }, [operation]);

  return (
    <section class="wizard" aria-label="New operation" ref={place} tabIndex={-1}>
      <div class="heading">
        <h2>{operation?.name ?? "New operation"}</h2>
        <span class="grow" />
        {operation !== undefined && <button type="button" onClick={() => setChosen(null)}>Another one</button>}
        <button type="button" onClick={left}>Close</button>
      </div>
      {start.images.length > 0 && operation === undefined && <p class="hint">With {start.images.length === 1 ? "the image" : `the ${start.images.length} images`} you chose.</p>}
      <p class="problem" role="alert">{problem}</p>
      {offered === null && problem === "" && <p class="waiting" role="status">Reading what there is …</p>}
      {offered !== null && Object.keys(offered).length === 0 && <p>No runner offers an operation at present.</p>}
      {offered !== null && chosen !== null && operation === undefined && <p class="problem">The operation {chosen} is no longer offered.</p>}
      {operation !== undefined ? (
        <OperationForm key={operation.name} session={session} operation={operation} start={start.former?.name === operation.name ? start : { ...start, former: null }} started={started} />
      ) : (
        offered !== null && <Offers offered={Object.values(offered)} choose={setChosen} />
      )}
    </section>
  );
}

function Offers({ offered, choose }: { offered: readonly OperationDescription[]; choose: (name: string) => void }) {
  const [wanted, setWanted] = useState("");
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = offered.filter(({ name, description }) => words.every((word) => `${name} ${description}`.toLowerCase().includes(word)));
  return (
    <>
      <label class="find">
        Find <input type="search" value={wanted} placeholder="stars, period, colour …" onInput={(event) => setWanted(event.currentTarget.value)} />
      </label>
      <ul class="offers">
        {found.map((operation) => (
          <li key={operation.name}>
            <button type="button" onClick={() => choose(operation.name)}>
              <strong>{operation.name}</strong>
              <span>{operation.description}</span>
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p role="status">No operation has that in its description.</p>}
    </>
  );
}
