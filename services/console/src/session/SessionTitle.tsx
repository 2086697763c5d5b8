import { useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { deleteSession, isOwn, mayChange, renameSession, type Session } from "../api/sessions";
import { problemOf } from "../words";
import { deleteLater } from "./deletions";

export const keyOfSession = (id: number) => `session ${id}`;

/** What a session is called and whose it is; its owner deletes it here, whoever may change it gives it another name. */
export function SessionTitle({ session, renamed }: { session: Session; renamed: () => void }) {
  const [naming, setNaming] = useState(false);
  const [, go] = useLocation();

  function remove() {
    deleteLater(keyOfSession(session.id), `The session “${session.name}”`, () => deleteSession(session.id));
    go("/sessions");
  }

  if (naming) {
    return (
      <Naming
        session={session}
        done={() => {
          setNaming(false);
          renamed();
        }}
        left={() => setNaming(false)}
      />
    );
  }
  return (
    <div class="heading">
      <h1>{session.name}</h1>
      {mayChange(session) && <button type="button" onClick={() => setNaming(true)}>Rename</button>}
      {isOwn(session) && <button type="button" onClick={remove}>Delete</button>}
      {!isOwn(session) && <span class="detail">of {session.user}; you {mayChange(session) ? "may look and compute" : "may look"}</span>}
    </div>
  );
}

function Naming({ session, done, left }: { session: Session; done: () => void; left: () => void }) {
  const [name, setName] = useState(session.name);
  const [problem, setProblem] = useState("");
  const busy = useRef(false);

  async function rename(event: SubmitEvent) {
    event.preventDefault();
    if (busy.current) return;
    if (name.trim() === "") {
      setProblem("Give it a name.");
      return;
    }
    busy.current = true;
    try {
      await renameSession(session.id, name.trim());
      done();
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      busy.current = false;
    }
  }

  return (
    <form class="heading" noValidate onSubmit={(event) => void rename(event)} onKeyDown={(event) => event.key === "Escape" && left()}>
      <label>Name <input value={name} maxLength={256} autofocus aria-invalid={problem !== ""} aria-describedby="rename-problem" onInput={(event) => setName(event.currentTarget.value)} /></label>
      <button type="submit">Save</button>
      <button type="button" onClick={left}>Leave as it is</button>
      <small id="rename-problem" class="problem" role="alert">{problem}</small>
    </form>
  );
}
