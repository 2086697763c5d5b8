/** What is read again and again while somebody looks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf } from "../words";

export interface Polled<Value> {
  /** What was read last; null until then. */
  value: Value | null;
  /** Why it could not be read the last time. */
  problem: string;
  /** Reads at once, as when something was changed. */
  again: () => void;
}

/**
 * Reads at once and then every so often, one after the other; not while the page is hidden, and at once when it is
 * shown. The browser asks with the tag of what it has: what did not change is answered with 304.
 */
export function usePolled<Value>(read: () => Promise<Value>, everyMs: number): Polled<Value> {
  const [value, setValue] = useState<Value | null>(null);
  const [problem, setProblem] = useState("");
  const now = useRef(() => {});

  useEffect(() => {
    let timer = 0;
    let turn = 0;

    async function look() {
      clearTimeout(timer);
      if (document.hidden) return;
      const mine = ++turn; // an answer that comes after a later question says what was before
      try {
        const found = await read();
        if (mine !== turn) return;
        setValue(found);
        setProblem("");
      } catch (error) {
        if (mine !== turn) return;
        setProblem(problemOf(error));
      }
      timer = window.setTimeout(() => void look(), everyMs);
    }

    now.current = () => void look();
    const shown = () => void look();
    document.addEventListener("visibilitychange", shown);
    void look();
    return () => {
      turn = -1;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, []);

  return { value, problem, again: () => now.current() };
}
