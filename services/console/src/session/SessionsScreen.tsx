import { useEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { createSession, deleteSession, ENDED, findSessions, isOwn, type Session } from "../api/sessions";
import { feed } from "../live";
import { problemOf, utc } from "../words";
import { deleteLater, isGoing } from "./deletions";
import "./session.css";

/** Typing goes on for so long before the server is asked. */
const TYPING_MS = 250;
/** One connection hears 200 sessions (`feed_max_sessions`), and other screens have some. */
const MOST_LIVE = 100;
/** Events that come together lead to one question. */
const GATHER_MS = 1_000;

/** One's own sessions, and those that others share. */
export function SessionsScreen() {
  const [wanted, setWanted] = useState("");
  const list = useSessions(wanted.trim());
  const sessions = list.sessions?.filter((session) => !isGoing(keyOf(session)));
  return (
    <>
      <h1>Sessions</h1>
      <div class="choice">
        <NewSession />
        <label>
          Find
          <input type="search" value={wanted} placeholder="part of a name" onInput={(event) => setWanted(event.currentTarget.value)} />
        </label>
      </div>
      <p class="problem" role="alert">{list.problem}</p>
      {sessions === undefined && list.problem === "" && <p class="waiting" role="status">Reading …</p>}
      {sessions?.length === 0 && (wanted.trim() === "" ? (
        <p>You have no session yet. Choose frames of a <Link href="/">night</Link>, and make one of them.</p>
      ) : (
        <p>No session has “{wanted.trim()}” in its name.</p>
      ))}
      {sessions !== undefined && sessions.length > 0 && (
        <table class="list stacked sessions">
          <thead>
            <tr>
              <th scope="col">Name</th><th scope="col">Owner</th><th scope="col">Images</th><th scope="col">Operations</th><th scope="col">Changed</th>
              <th scope="col"><span class="unseen">Delete</span></th>
            </tr>
          </thead>
          <tbody>{sessions.map((session) => <Row key={session.id} session={session} />)}</tbody>
        </table>
      )}
      {list.more && <p><button type="button" onClick={list.readMore}>Show more</button></p>}
    </>
  );
}

const keyOf = (session: Session) => `session ${session.id}`;

function Row({ session }: { session: Session }) {
  const running = session.operations.filter((operation) => !ENDED.has(operation.state)).length;
  return (
    <tr>
      <td><Link href={`/session/${session.id}`}>{session.name}</Link></td>
      <td data-title="Owner">{isOwn(session) ? session.user : `${session.user} (you are ${session.role})`}</td>
      <td data-title="Images">{session.input_data.length}</td>
      <td data-title="Operations">{session.operations_count}{running > 0 && <span class="running"> {running} going on</span>}</td>
      <td data-title="Changed">{utc(session.modified)}</td>
      <td>
        {isOwn(session) && (
          <button type="button" aria-label={`Delete the session ${session.name}`} onClick={() => deleteLater(keyOf(session), `The session “${session.name}”`, () => deleteSession(session.id))}>
            Delete
          </button>
        )}
      </td>
    </tr>
  );
}

function NewSession() {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const busy = useRef(false);
  const [, go] = useLocation();

  async function create(event: SubmitEvent) {
    event.preventDefault();
    if (busy.current) return; // a double click makes one session
    if (name.trim() === "") {
      setProblem("Give it a name.");
      return;
    }
    busy.current = true;
    try {
      const made = await createSession(name.trim(), []);
      go(`/session/${made.id}`);
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      busy.current = false;
    }
  }

  return (
    <form class="choice" noValidate onSubmit={(event) => void create(event)}>
      <label>
        New session
        <input value={name} maxLength={256} placeholder="its name" aria-invalid={problem !== ""} aria-describedby="new-session-problem" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button type="submit">Create</button>
      <small id="new-session-problem" class="problem" role="alert">{problem}</small>
    </form>
  );
}

interface SessionList {
  sessions: readonly Session[] | undefined;
  more: boolean;
  problem: string;
  readMore: () => void;
}

/** The sessions with a text in their names: read again when one of them changes, and when somebody comes back to the page. */
function useSessions(name: string): SessionList {
  const [sessions, setSessions] = useState<readonly Session[] | undefined>();
  const [count, setCount] = useState(0);
  const [problem, setProblem] = useState("");
  const latest = useRef(0);

  async function read(before: readonly Session[]) {
    const turn = ++latest.current;
    try {
      const page = await findSessions(name, before.length);
      if (turn !== latest.current) return;
      setSessions([...before, ...page.sessions]);
      setCount(page.count);
      setProblem("");
    } catch (error) {
      if (turn === latest.current) setProblem(problemOf(error));
    }
  }

  useEffect(() => {
    const timer = setTimeout(() => void read([]), name === "" ? 0 : TYPING_MS);
    const again = () => {
      if (document.visibilityState === "visible") void read([]);
    };
    document.addEventListener("visibilitychange", again);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [name]);

  const shown = (sessions ?? []).slice(0, MOST_LIVE).map((session) => session.id).join(" ");
  useEffect(() => {
    if (shown === "") return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      timer ??= setTimeout(() => void read([]), GATHER_MS);
    };
    const end = feed.listen({ sessions: shown.split(" ").map(Number) }, { heard: soon, missed: soon });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [shown, name]);

  return { sessions, more: (sessions?.length ?? 0) < count, problem, readMore: () => void read(sessions ?? []) };
}
