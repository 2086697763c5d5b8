import { useEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { answered, api } from "../api/client";
import { createSession, type Session } from "../api/sessions";
import { problemOf, utc } from "../words";

/** One's own sessions, and those that others share. */
export function SessionsScreen() {
  const [sessions, setSessions] = useState<readonly Session[] | null>(null);
  const [problem, setProblem] = useState("");
  const [name, setName] = useState("");
  const [, go] = useLocation();

  useEffect(() => {
    answered(api.GET("/api/datasessions", { params: { query: { shared: "include", limit: "200" } } as never }))
      .then((page) => setSessions((page as { results: Session[] }).results))
      .catch((error: unknown) => setProblem(problemOf(error)));
  }, []);

  async function create(event: SubmitEvent) {
    event.preventDefault();
    try {
      const made = await createSession(name.trim(), []);
      go(`/session/${made.id}`);
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  return (
    <>
      <h1>Sessions</h1>
      <form class="choice" onSubmit={(event) => void create(event)}>
        <label>
          New session
          <input value={name} required maxLength={100} placeholder="its name" onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit">Create</button>
      </form>
      <p class="problem" role="alert">{problem}</p>
      {sessions === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {sessions?.length === 0 && (
        <p>You have no session yet. Choose frames of a <Link href="/">night</Link>, and make one of them.</p>
      )}
      {sessions !== null && sessions.length > 0 && (
        <table class="list">
          <thead>
            <tr><th scope="col">Name</th><th scope="col">Of</th><th scope="col">Images</th><th scope="col">Operations</th><th scope="col">Changed</th></tr>
          </thead>
          <tbody>
            {sessions.map((session) => (
              <tr key={session.id}>
                <td><Link href={`/session/${session.id}`}>{session.name}</Link></td>
                <td>{session.user}{session.role && session.role !== "owner" ? ` (you are ${session.role})` : ""}</td>
                <td>{session.input_data.length}</td>
                <td>{session.operations_count}</td>
                <td>{utc(session.modified)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
