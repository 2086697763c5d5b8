import { useEffect, useState } from "preact/hooks";
import { type Readiness as Said, readiness } from "./readiness";

/** What this API says of itself where it cannot say what the others do: it needs the bus for that. */
export function Readiness() {
  const [said, setSaid] = useState<Said | string | null>(null);
  useEffect(() => void readiness().then(setSaid), []);
  if (said === null) return null;
  if (typeof said === "string") return <p class="hint">{said}</p>;
  return (
    <ul class="system">
      {Object.entries(said.dependencies).map(([name, state]) => (
        <li key={name} class={state === "ok" ? "" : "failed"}>{name}: {state}</li>
      ))}
    </ul>
  );
}
