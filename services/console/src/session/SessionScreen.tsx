import { useEffect, useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { framesOf, type InputImage, isOwn, mayChange, type Operation, type Session } from "../api/sessions";
import { operationId } from "../graph/graph";
import { later } from "../parts/later";
import { Picture } from "../parts/Picture";
import type { WizardStart } from "../wizard/Wizard";
import { keyOf } from "../wizard/wizardForm";
import { isGoing } from "./deletions";
import { LiveSession, NO_SUCH } from "./liveSession";
import { keyOfOperation, OperationCard, type OperationDeeds } from "./OperationCard";
import { SessionTitle } from "./SessionTitle";
import { Sharing } from "./Sharing";
import "./session.css";

const Wizard = later(() => import("../wizard/Wizard").then((module) => module.Wizard));
const SessionGraph = later(() => import("../graph/SessionGraph").then((module) => module.SessionGraph));

const GONE = {
  deleted: "The session was deleted.",
  withdrawn: "The session was deleted, or is not shared with you any more.",
};

/** A session: its images, its operations as they go on, and a form for the next one. */
export function SessionScreen({ id }: { id: number }) {
  return Number.isSafeInteger(id) && id > 0 ? <Numbered key={id} id={id} /> : <Problem text={NO_SUCH} />;
}

function Problem({ text }: { text: string }) {
  return <p class="problem" role="alert">{text} <Link href="/sessions">Go to your sessions.</Link></p>;
}

function Numbered({ id }: { id: number }) {
  const live = useMemo(() => new LiveSession(id), [id]);
  useEffect(() => () => live.close(), [live]);
  const session = live.session.value;

  if (live.gone.value !== null) return <Problem text={GONE[live.gone.value]} />;
  if (session === null) {
    return live.problem.value === "" ? (
      <p class="waiting" role="status">Reading …</p>
    ) : (
      <Problem text={live.problem.value} />
    );
  }
  return (
    <>
      {live.problem.value !== "" && <p class="problem" role="alert">{live.problem.value} What is shown may be old.</p>}
      <Shown session={withoutGoing(session)} live={live} />
    </>
  );
}

/** Returns a session without the operations that are about to be removed. */
function withoutGoing(session: Session): Session {
  const operations = session.operations.filter((operation) => !isGoing(keyOfOperation(operation.id)));
  return { ...session, operations, operations_count: session.operations_count - session.operations.length + operations.length };
}

function Shown({ session, live }: { session: Session; live: LiveSession }) {
  const [start, setStart] = useState<WizardStart | null>(null);
  const [drawn, setDrawn] = useState(false);
  const [said, setSaid] = useState("");
  const deeds: OperationDeeds | null = mayChange(session)
    ? {
        took: (operation) => live.take(operation),
        useAsInput: (images: readonly InputImage[]) => setStart({ images: images.map(keyOf), former: null }),
        startLike: (operation) => setStart({ images: [], former: operation }),
      }
    : null;

  function started(operation: Operation) {
    setStart(null);
    live.take(operation);
    setSaid(`${operation.name} ${operation.id} was started.`);
    setTimeout(() => openCard(operation.id));
  }

  return (
    <>
      <p class="path"><Link href="/sessions">Sessions</Link> /</p>
      <SessionTitle session={session} renamed={() => live.refresh()} />
      {isOwn(session) && <Sharing session={session.id} owner={session.user} />}
      <Images session={session} />
      {deeds !== null && (start === null ? (
        <p><button type="button" class="first" onClick={() => setStart({ images: [], former: null })}>New operation</button></p>
      ) : (
        <Wizard key={start.images.join() + String(start.former?.id)} session={session} start={start} started={started} left={() => setStart(null)} />
      ))}
      <div class="heading">
        <h2>Operations</h2>
        <button type="button" aria-pressed={drawn} onClick={() => setDrawn(!drawn)}>Graph</button>
      </div>
      <p class="unseen" role="status">{said}</p>
      {drawn && <SessionGraph session={session} open={openCard} />}
      <Operations session={session} deeds={deeds} readOlder={() => void live.readOlder()} />
    </>
  );
}

function openCard(operation: number) {
  const card = document.getElementById(operationId(operation));
  card?.scrollIntoView({ block: "start" });
  card?.focus({ preventScroll: true });
}

function Operations({ session, deeds, readOlder }: { session: Session; deeds: OperationDeeds | null; readOlder: () => void }) {
  const latestFirst = [...session.operations].sort((one, other) => other.id - one.id);
  const older = session.operations_count - session.operations.length;
  return (
    <>
      {latestFirst.length === 0 && <p>Nothing was computed yet.</p>}
      <ol class="operations">
        {latestFirst.map((operation) => <OperationCard key={operation.id} session={session.id} operation={operation} deeds={deeds} />)}
      </ol>
      {older > 0 && <p><button type="button" onClick={readOlder}>Show {older} older ones</button></p>}
    </>
  );
}

/** With more of them they are folded up. */
const MOST_UNFOLDED = 24;

function Images({ session }: { session: Session }) {
  const images = framesOf(session);
  if (images.length === 0) return <p>The session has no images. Choose some of a <Link href="/">night</Link>.</p>;
  return (
    <details open={images.length <= MOST_UNFOLDED}>
      <summary>{images.length === 1 ? "1 image" : `${images.length} images`}</summary>
      <p><Link href={`/blink/session/${session.id}`}>Blink images and outputs</Link></p>
      <ul class="strip">
        {images.map((image) => (
          <li key={keyOf(image)}>
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
