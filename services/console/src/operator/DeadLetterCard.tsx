import { useEffect, useRef, useState } from "preact/hooks";
import { answered, api, RequestError } from "../api/client";
import { problemOf, utc } from "../words";
import { type DeadLetter, type OpenedLetter, readable, sizeOf } from "./words";

/** For so long a letter can be had back that is to be thrown away. */
const UNDO_MS = 8_000;

interface CardProps {
  letter: DeadLetter;
  /** The letter is off the list, and what has become of it in words. */
  settled: (number: number, words: string) => void;
}

/** One message: who could not handle it, why, what it says, and the two things that can become of it. */
export function DeadLetterCard({ letter, settled }: CardProps) {
  const { number } = letter;
  const [opened, setOpened] = useState<OpenedLetter | null>(null);
  const [problem, setProblem] = useState("");
  const [leaving, setLeaving] = useState(false);
  const busy = useRef(false); // at once: a second click comes before the next drawing
  const path = { params: { path: { number } } };

  /** Does one thing at a time, and says what goes wrong; what is not there any more was settled by somebody else. */
  async function attempt(work: () => Promise<void>) {
    if (busy.current) return;
    busy.current = true;
    try {
      setProblem("");
      await work();
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) settled(number, `Letter ${number} was settled by somebody else.`);
      else setProblem(problemOf(error));
    } finally {
      busy.current = false;
    }
  }

  const open = () => attempt(async () => setOpened(await answered(api.GET("/api/dead-letters/{number}", path))));
  const requeue = () =>
    attempt(async () => {
      const { message } = await answered(api.POST("/api/dead-letters/{number}/requeue", path));
      settled(number, `Letter ${number}: ${message} If it fails again, it comes back under another number.`);
    });
  const discard = () =>
    attempt(async () => {
      try {
        await answered(api.DELETE("/api/dead-letters/{number}", path));
      } catch (error) {
        setLeaving(false);
        throw error;
      }
      settled(number, `Letter ${number} is thrown away.`);
    });

  if (leaving) return <Leaving number={number} stay={() => setLeaving(false)} go={() => void discard()} />;
  return (
    <li class="letter" data-letter={number} aria-label={`Dead letter ${number}`}>
      <h3>{letter.reason || "No reason was kept."}</h3>
      <p class="hint">
        {letter.served_by || letter.consumer}, letter {number}, {sizeOf(letter.size_bytes)} sent to {letter.subject || "an unknown subject"}, given up{" "}
        <time dateTime={letter.buried_at}>{utc(letter.buried_at)}</time>
      </p>
      {letter.advice !== "" && <p>{letter.advice}</p>}
      {opened !== null && <Content letter={opened} />}
      <p class="doing">
        <button type="button" aria-expanded={opened !== null} onClick={() => (opened === null ? void open() : setOpened(null))}>
          {opened === null ? "Read" : "Close"}
        </button>
        {letter.resendable && <button type="button" onClick={() => void requeue()}>Requeue</button>}
        <button type="button" onClick={() => setLeaving(true)}>Discard</button>
        <span class="problem" role="alert">{problem}</span>
      </p>
    </li>
  );
}

function Content({ letter }: { letter: OpenedLetter }) {
  return (
    <>
      {letter.size_bytes === 0 ? <p>It is empty.</p> : <pre tabIndex={0} aria-label={`What letter ${letter.number} says`}>{readable(letter.content)}</pre>}
      {letter.cut && <p class="hint">This is its beginning; <code>datalab dead-letters show {letter.number}</code> has all of it.</p>}
    </>
  );
}

/** A letter that goes in a moment: at once when the screen is left, not if the page is closed. */
function Leaving({ number, stay, go }: { number: number; stay: () => void; go: () => void }) {
  const undo = useRef<HTMLButtonElement>(null);
  const decided = useRef(false);
  useEffect(() => {
    undo.current?.focus();
    const end = () => {
      if (decided.current) return;
      decided.current = true;
      go();
    };
    const timer = setTimeout(end, UNDO_MS);
    return () => {
      clearTimeout(timer);
      end();
    };
  }, []);
  return (
    <li class="letter" data-letter={number} aria-label={`Dead letter ${number}`}>
      <p class="doing">
        <span role="status">Letter {number} is thrown away in a few seconds.</span>
        <button
          type="button"
          ref={undo}
          onClick={() => {
            decided.current = true;
            stay();
          }}
        >
          Undo
        </button>
      </p>
    </li>
  );
}
