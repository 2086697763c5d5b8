import { useEffect, useState } from "preact/hooks";
import { type Readiness, readiness } from "./health";

const AGAIN_MS = 10_000;

/** Whether the API and the servers it needs work, asked anew while it is looked at. */
export function Health() {
  const [said, setSaid] = useState<Readiness | string | null>(null);

  useEffect(() => {
    const look = () => void readiness().then(setSaid);
    look();
    const timer = setInterval(look, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);

  return (
    <section aria-labelledby="health">
      <h2 id="health">The API</h2>
      {said === null && <p class="waiting" role="status">Asking …</p>}
      {typeof said === "string" && <p class="hint">{said}</p>}
      {said !== null && typeof said !== "string" && (
        <>
          <p role="status">{said.ready ? "works, with all it needs:" : "cannot do its work:"}</p>
          <ul class="system">
            {Object.entries(said.dependencies).map(([name, state]) => (
              <li key={name} class={state === "ok" ? "" : "failed"}>{name}: {state}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
