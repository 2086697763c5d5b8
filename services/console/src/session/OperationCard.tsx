import { useState } from "preact/hooks";
import { cancelOperation, deleteOperation, ENDED, imagesMadeBy, type InputImage, type Operation, retryOperation } from "../api/sessions";
import { operationId } from "../graph/graph";
import { Results } from "../results/Results";
import { problemOf, utc } from "../words";
import { deleteLater } from "./deletions";
import { givenInputs, textOf } from "./givenInputs";
import { Outputs } from "./Outputs";
import { adviceOn, STATES } from "./states";

/** What can be done with operations; nothing for who may only look. */
export interface OperationDeeds {
  took: (operation: Operation) => void;
  useAsInput: (images: readonly InputImage[]) => void;
  startLike: (operation: Operation) => void;
}

interface OperationCardProps {
  session: number;
  operation: Operation;
  deeds: OperationDeeds | null;
}

export const keyOfOperation = (id: number) => `operation ${id}`;

/** An operation: how it stands, what it was given and has made, and what can be done with it. */
export function OperationCard({ session, operation, deeds }: OperationCardProps) {
  const running = !ENDED.has(operation.state);
  const part = Math.round(100 * operation.operation_progress);
  const advice = adviceOn(operation);
  const title = `${operation.name} ${operation.id}`;
  return (
    <li class={`operation ${operation.state.toLowerCase()}`} id={operationId(operation.id)} tabIndex={-1} aria-label={title}>
      <div class="heading">
        <h3>{operation.name} <small>{operation.id}</small></h3>
        <span class="state" role="status">{STATES[operation.state]}</span>
        <time class="detail" dateTime={operation.created}>{utc(operation.created)}</time>
        <span class="grow" />
        {deeds !== null && <Buttons session={session} operation={operation} deeds={deeds} />}
      </div>
      {running && <progress max={100} value={part} aria-label={`${title} is ${part} % done`} />}
      {operation.message !== "" && <p class={operation.state === "FAILED" ? "problem" : "detail"}>{operation.message}</p>}
      {advice !== "" && <p class="detail">{advice}</p>}
      <Given operation={operation} />
      <Outputs files={operation.output?.output_files ?? []} images={imagesMadeBy(operation)} use={deeds?.useAsInput ?? null} />
      {(operation.output?.output_data ?? []).map((output, place) => (
        <Results key={place} output={output} inputs={operation.input_data} />
      ))}
    </li>
  );
}

function Buttons({ session, operation, deeds }: { session: number; operation: Operation; deeds: OperationDeeds }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const { id, name, state } = operation;

  async function ask(request: (session: number, id: number) => Promise<Operation>) {
    if (busy) return;
    setBusy(true);
    try {
      deeds.took(await request(session, id));
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      {!ENDED.has(state) && <button type="button" aria-disabled={busy} onClick={() => void ask(cancelOperation)}>Cancel</button>}
      {(state === "FAILED" || state === "CANCELLED") && <button type="button" aria-disabled={busy} onClick={() => void ask(retryOperation)}>Try again</button>}
      {ENDED.has(state) && (
        <>
          <button type="button" onClick={() => deeds.startLike(operation)}>Change and start anew</button>
          <button type="button" onClick={() => deleteLater(keyOfOperation(id), `${name} ${id}`, () => deleteOperation(session, id))}>Remove</button>
        </>
      )}
      <span class="problem" role="alert">{problem}</span>
    </>
  );
}

/** What it was given, on demand. */
function Given({ operation }: { operation: Operation }) {
  const { files, others } = givenInputs(operation);
  const count = Object.values(files).flat().length;
  const values = Object.entries(others);
  if (count === 0 && values.length === 0) return null;
  return (
    <details class="given">
      <summary>{[count === 0 ? "" : count === 1 ? "From 1 image" : `From ${count} images`, ...values.map(([key, value]) => `${spaced(key)} ${textOf(value)}`)].filter(Boolean).join(" · ")}</summary>
      <dl class="facts">
        {Object.entries(files).map(([key, items]) => (
          <div key={key}>
            <dt>{spaced(key)}</dt>
            <dd>{items.map((file) => file.basename ?? `what operation ${file.operation} makes`).join(", ")}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

const spaced = (key: string) => key.replaceAll("_", " ");
