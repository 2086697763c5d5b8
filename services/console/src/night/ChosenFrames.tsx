import { useEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { answered, api, type Frame } from "../api/client";
import { createSession, itemOf, type Session } from "../api/sessions";
import { BlinkLink } from "../blink/BlinkLink";
import { problemOf } from "../words";
import { chooseNone, chosen } from "./chosen";

/** Value of the choice that makes a new session. */
const NEW = "";

/** What can be done with frames that were chosen: a session of them, more for a session there is, or a look at one after the other. */
export function ChosenFrames({ all }: { all: () => Promise<void> }) {
  const frames = [...chosen.value.values()];
  const [target, setTarget] = useState(NEW);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [done, setDone] = useState<{ text: string; session: number } | null>(null);
  const [busy, setBusy] = useState(false);
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const [, go] = useLocation();
  const any = frames.length > 0;

  useEffect(() => {
    if (!any) return;
    setDone(null);
    answered(api.GET("/api/datasessions", { params: { query: { shared: "include", limit: "200" } } as never }))
      .then((page) => setSessions((page as { results: Session[] }).results.filter((session) => session.role !== "viewer")))
      .catch(() => setSessions([])); // a new one can be made all the same
  }, [any]);

  async function doing(work: () => Promise<void>) {
    if (busy) return;
    setBusy(true);
    setProblem("");
    try {
      await work();
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  async function submit() {
    if (target === NEW) {
      const made = await createSession(name.trim() || (frames[0]?.target_name ?? "") || "Session", frames);
      chooseNone();
      go(`/session/${made.id}`);
      return;
    }
    const session = sessions.find((each) => each.id === Number(target));
    if (session === undefined) throw new Error("Choose a session.");
    await addTo(session.id, frames);
    setDone({ text: session.name, session: session.id });
    setTarget(NEW);
    chooseNone();
  }

  return (
    <form
      class={any ? "choice chosen-bar any" : "choice chosen-bar"}
      aria-label="Chosen frames"
      onSubmit={(event) => {
        event.preventDefault();
        void doing(submit);
      }}
    >
      <button type="button" disabled={busy} onClick={() => void doing(all)}>Choose all</button>
      <button type="button" disabled={!any} onClick={chooseNone}>None</button>
      {sessions.length > 0 && any && (
        <label>
          Put into
          <select value={target} onChange={(event) => setTarget(event.currentTarget.value)}>
            <option value={NEW}>a new session</option>
            {sessions.map((session) => <option key={session.id} value={session.id}>{session.name}</option>)}
          </select>
        </label>
      )}
      {target === NEW ? (
        <>
          <label>
            New session of {frames.length} frames
            <input value={name} maxLength={100} placeholder={frames[0]?.target_name || "its name"} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <button type="submit" class="first" disabled={!any || busy}>Create</button>
        </>
      ) : (
        <button type="submit" class="first" disabled={!any || busy}>Add {frames.length} frames</button>
      )}
      {any && <BlinkLink images={frames.map(({ basename }) => ({ basename, source: "archive" }))} />}
      {done !== null && <span role="status">Added to <Link href={`/session/${done.session}`}>{done.text}</Link>.</span>}
      <small class="problem" role="alert">{problem}</small>
    </form>
  );
}

/** Adds frames to a session; those it has stay as they are. */
const addTo = (session: number, frames: readonly Frame[]) =>
  answered(
    api.PATCH("/api/datasessions/{session_id}", {
      params: { path: { session_id: session } },
      body: { input_data: frames.map(itemOf) } as never,
    }),
  );
