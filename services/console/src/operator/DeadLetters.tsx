import { useEffect, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { problemOf } from "../words";
import { type DeadLetter, sizeOf } from "./words";

/** Messages nobody could handle. What they say, and what becomes of them, is for whoever has access to the bus. */
export function DeadLetters() {
  const [letters, setLetters] = useState<readonly DeadLetter[] | null>(null);
  const [problem, setProblem] = useState("");

  async function read() {
    try {
      setLetters(await answered(api.GET("/api/dead-letters")));
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }
  useEffect(() => void read(), []);

  return (
    <section aria-labelledby="dead-letters">
      <div class="heading">
        <h2 id="dead-letters">Dead letters</h2>
        <button type="button" onClick={() => void read()}>Read again</button>
      </div>
      <p class="problem" role="alert">{problem}</p>
      {letters === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {letters?.length === 0 && <p role="status">There are none: every message was handled.</p>}
      {letters !== null && letters.length > 0 && (
        <>
          <p class="hint">
            What a message says may be private, so it is shown where the bus can be reached: <code>datalab dead-letters show {letters[0]?.number}</code>.
            With <code>requeue</code> it is handled again, with <code>discard</code> it is thrown away.
          </p>
          <table class="list stacked">
            <thead>
              <tr><th scope="col">Number</th><th scope="col">Why</th><th scope="col">For</th><th scope="col">Sent to</th><th scope="col">Size</th></tr>
            </thead>
            <tbody>
              {letters.map((letter) => (
                <tr key={letter.number}>
                  <td data-title="Number">{letter.number}</td>
                  <td data-title="Why">{letter.reason || "no reason was kept"}</td>
                  <td data-title="For">{letter.consumer}</td>
                  <td data-title="Sent to">{letter.subject || "unknown"}</td>
                  <td data-title="Size">{sizeOf(letter.size_bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}
