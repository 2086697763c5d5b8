import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { answered, api } from "../api/client";
import { ENDED, imagesOf, type Operation, type OutputFile, type Session } from "../api/sessions";
import { me } from "../login";
import { Picture } from "../parts/Picture";
import { Results } from "../results/Results";
import { problemOf, utc } from "../words";
import { LiveSession } from "./liveSession";
import { Sharing } from "./Sharing";
import { Wizard } from "./Wizard";

const STATES: Record<Operation["state"], string> = {
  PENDING: "waits",
  IN_PROGRESS: "computes",
  COMPLETED: "done",
  FAILED: "failed",
  CANCELLED: "cancelled",
};

/** A session: its images, its operations as they go on, and a form for the next one. */
export function SessionScreen({ id }: { id: number }) {
  const live = useMemo(() => new LiveSession(id), [id]);
  useEffect(() => () => live.close(), [live]);
  const [choosing, setChoosing] = useState(false);
  const session = live.session.value;

  if (live.gone.value) return <p role="alert">The session was deleted, or is not shared with you any more. <Link href="/sessions">Go to your sessions.</Link></p>;
  if (session === null) {
    return live.problem.value === "" ? (
      <p class="waiting" role="status">Reading …</p>
    ) : (
      <p class="problem" role="alert">{live.problem.value}</p>
    );
  }
  const operations = [...session.operations].sort((one, other) => other.id - one.id);
  return (
    <>
      <p class="path"><Link href="/sessions">Sessions</Link> /</p>
      <Title session={session} changed={() => void live.read()} />
      {session.user === me.value?.username && <Sharing session={session.id} owner={session.user} />}
      <Images session={session} />
      {choosing ? (
        <Wizard
          session={session}
          started={() => {
            setChoosing(false);
            void live.read();
          }}
          left={() => setChoosing(false)}
        />
      ) : (
        <p><button type="button" class="first" onClick={() => setChoosing(true)}>New operation</button></p>
      )}
      <h2>Operations</h2>
      {operations.length === 0 && <p>Nothing was computed yet.</p>}
      <ol class="operations">
        {operations.map((operation) => (
          <OperationCard key={operation.id} session={session.id} operation={operation} changed={() => void live.read()} />
        ))}
      </ol>
    </>
  );
}

function Title({ session, changed }: { session: Session; changed: () => void }) {
  const [name, setName] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const [, go] = useLocation();
  const path = { session_id: session.id };

  async function rename(event: SubmitEvent) {
    event.preventDefault();
    try {
      await answered(api.PATCH("/api/datasessions/{session_id}", { params: { path }, body: { name: name ?? "" } as never }));
      setName(null);
      changed();
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  async function remove() {
    if (!confirm(`Delete the session “${session.name}” with its ${session.operations_count} operations?`)) return;
    try {
      await answered(api.DELETE("/api/datasessions/{session_id}", { params: { path } }));
      go("/sessions");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  return (
    <div class="heading">
      {name === null ? (
        <>
          <h1>{session.name}</h1>
          <button type="button" onClick={() => setName(session.name)}>Rename</button>
          <button type="button" onClick={() => void remove()}>Delete</button>
        </>
      ) : (
        <form class="choice" onSubmit={(event) => void rename(event)}>
          <label>Name <input value={name} required autofocus onInput={(event) => setName(event.currentTarget.value)} /></label>
          <button type="submit">Save</button>
          <button type="button" onClick={() => setName(null)}>Leave as it is</button>
        </form>
      )}
      <p class="problem" role="alert">{problem}</p>
    </div>
  );
}

function Images({ session }: { session: Session }) {
  const images = imagesOf({ ...session, operations: [] });
  if (images.length === 0) return <p>The session has no images. Choose some of a <Link href="/">night</Link>.</p>;
  return (
    <details open={images.length <= 24}>
      <summary>{images.length} images</summary>
      <ul class="strip">
        {images.map((image) => (
          <li key={image.basename}>
            <Link href={`/image/${image.source}/${encodeURIComponent(image.basename)}`}>
              <Picture basename={image.basename} link={image.picture} />
              <span>{image.label}</span>
              <small>{image.filter ?? ""}</small>
            </Link>
          </li>
        ))}
      </ul>
    </details>
  );
}

interface CardProps {
  session: number;
  operation: Operation;
  changed: () => void;
}

function OperationCard({ session, operation, changed }: CardProps) {
  const [problem, setProblem] = useState("");
  const params = { path: { session_id: session, operation_id: operation.id } };

  async function done(request: Promise<unknown>) {
    try {
      await request;
      setProblem("");
      changed();
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  const running = !ENDED.has(operation.state);
  const part = Math.round(100 * operation.operation_progress);
  return (
    <li class={`operation ${operation.state.toLowerCase()}`}>
      <div class="heading">
        <h3>{operation.name} <small>{operation.id}</small></h3>
        <span class="state" role="status">{STATES[operation.state]}</span>
        <time class="detail" dateTime={operation.created}>{utc(operation.created)}</time>
        <span class="grow" />
        {running && (
          <button type="button" onClick={() => void done(answered(api.POST("/api/datasessions/{session_id}/operations/{operation_id}/cancel", { params })))}>Cancel</button>
        )}
        {(operation.state === "FAILED" || operation.state === "CANCELLED") && (
          <button type="button" onClick={() => void done(answered(api.POST("/api/datasessions/{session_id}/operations/{operation_id}/retry", { params })))}>Try again</button>
        )}
        {!running && (
          <button type="button" onClick={() => void done(answered(api.DELETE("/api/datasessions/{session_id}/operations/{operation_id}", { params })))}>Remove</button>
        )}
      </div>
      {running && <progress max={100} value={part} aria-label={`${operation.name} is ${part} % done`} />}
      {operation.message !== "" && <p class={operation.state === "FAILED" ? "problem" : "detail"}>{operation.message}</p>}
      <p class="problem" role="alert">{problem}</p>
      <Outputs files={operation.output?.output_files ?? []} />
      {(operation.output?.output_data ?? []).map((output, place) => (
        <Results key={place} output={output} inputs={operation.input_data} />
      ))}
    </li>
  );
}

function Outputs({ files }: { files: readonly OutputFile[] }) {
  if (files.length === 0) return null;
  return (
    <ul class="strip large">
      {files.map((file) => (
        <li key={file.basename}>
          {file.type === "fits" ? (
            <Link href={`/image/datalab/${encodeURIComponent(file.basename)}`}>
              {file.small_url && <img src={file.large_url ?? file.small_url} alt={`Output ${file.basename}`} loading="lazy" />}
              <span>{file.basename}</span>
            </Link>
          ) : (
            <a href={file.large_url ?? "#"} target="_blank" rel="noreferrer">
              {file.small_url && <img src={file.large_url ?? file.small_url} alt={`Output ${file.basename}`} loading="lazy" />}
              <span>{file.basename}</span>
            </a>
          )}
          <small>
            {[["FITS", file.fits_url], ["TIFF", file.tif_url], ["JPEG", file.large_url]].map(([kind, link]) =>
              link ? <a key={kind} class="file" href={link} download>{kind}</a> : null,
            )}
          </small>
        </li>
      ))}
    </ul>
  );
}
