import { useRef, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { DeadLetterCard } from "./DeadLetterCard";
import { usePolled } from "./polled";

const AGAIN_MS = 5_000;

/** Messages nobody could handle: why, what they say, and what is to become of them. */
export function DeadLetters() {
  const { value: letters, problem, again } = usePolled(() => answered(api.GET("/api/dead-letters")), AGAIN_MS);
  const [said, setSaid] = useState("");
  const [gone, setGone] = useState<ReadonlySet<number>>(new Set());
  const heading = useRef<HTMLHeadingElement>(null);

  /** Takes a letter off the list before the list is read again. */
  function settled(number: number, words: string) {
    setGone((before) => new Set(before).add(number));
    setSaid(words);
    // What had the focus goes with its letter.
    if (document.activeElement?.closest(`[data-letter="${number}"]`)) heading.current?.focus();
    again();
  }

  const shown = letters?.filter((letter) => !gone.has(letter.number)) ?? [];
  return (
    <section aria-labelledby="dead-letters">
      <h2 id="dead-letters" ref={heading} tabIndex={-1}>Dead letters</h2>
      <p class="problem" role="alert">{problem}</p>
      <p role="status">{said}</p>
      {letters === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {letters !== null && shown.length === 0 && <p>There are none: every message was handled.</p>}
      {shown.length > 0 && (
        <>
          <p class="hint">What a message says may be private: who opens one is in the audit log.</p>
          <ul class="letters">
            {shown.map((letter) => <DeadLetterCard key={letter.number} letter={letter} settled={settled} />)}
          </ul>
        </>
      )}
    </section>
  );
}
