import { useEffect, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { problemOf, utc } from "../words";
import { answerTo, type Change, pathOf } from "./words";

const PAGE = 50;

/** Who changed what, the latest first. */
export function AuditLog() {
  const [changes, setChanges] = useState<readonly Change[]>([]);
  const [count, setCount] = useState<number | null>(null);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");

  async function read(offset = 0) {
    const username = name.trim();
    try {
      const query = { limit: String(PAGE), offset: String(offset), ...(username === "" ? {} : { username }) };
      const page = await answered(api.GET("/api/audit-log", { params: { query } }));
      setChanges((known) => {
        const shown = new Set(offset === 0 ? [] : known.map((each) => each.request_id)); // new ones push others to the next page
        return [...(offset === 0 ? [] : known), ...page.results.filter((each) => !shown.has(each.request_id))];
      });
      setCount(page.count);
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }
  useEffect(() => void read(), []);

  return (
    <section aria-labelledby="audit">
      <h2 id="audit">Audit log</h2>
      <form
        class="choice"
        onSubmit={(event) => {
          event.preventDefault();
          void read();
        }}
      >
        <label>Changes by <input value={name} autocomplete="off" placeholder="everybody" onInput={(event) => setName(event.currentTarget.value)} /></label>
        <button type="submit">Read</button>
        <span class="problem" role="alert">{problem}</span>
      </form>
      {count === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {count === 0 && <p role="status">No change is in the log.</p>}
      {changes.length > 0 && (
        <table class="list stacked">
          <thead>
            <tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Answer</th><th scope="col">From</th></tr>
          </thead>
          <tbody>
            {changes.map((change) => (
              <tr key={change.request_id}>
                <td data-title="When"><time dateTime={change.at}>{utc(change.at)}</time></td>
                <td data-title="Who">{change.username || "nobody known"}</td>
                <td data-title="What">{change.method} {pathOf(change)}</td>
                <td data-title="Answer">{answerTo(change)}</td>
                <td data-title="From">{change.address}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {count !== null && changes.length < count && <button type="button" onClick={() => void read(changes.length)}>Show more</button>}
    </section>
  );
}
