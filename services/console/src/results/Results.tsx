import { useEffect, useState } from "preact/hooks";
import { problemOf } from "../words";
import type { ResultsProps } from "./ResultsView";

/** What an operation has found. Charts come when there is something to draw: the first page does without them. */
export function Results(props: ResultsProps) {
  const [view, setView] = useState<typeof import("./ResultsView") | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    import("./ResultsView").then(setView, (error: unknown) => setProblem(problemOf(error)));
  }, []);
  if (view !== null) return <view.ResultsView {...props} />;
  return problem === "" ? <p class="waiting" role="status">Reading results …</p> : <p class="problem" role="alert">The charts could not be loaded: {problem}</p>;
}
