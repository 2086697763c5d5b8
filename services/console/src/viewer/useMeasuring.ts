import { useMemo, useRef, useState } from "preact/hooks";
import { problemOf } from "../words";
import type { Spot } from "./gestures";
import { type Measure, measureCentroid, measureLine, measureRegion, measureStar } from "./measuring";
import { type Layer, markersLayer } from "./overlay";
import { aimLayer, type Stroke, strokeLayer } from "./shapes";
import { toolOf, type ToolName } from "./toolbox";
import type { OpenedImage } from "./useImage";

export type Outcome =
  | { is: "nothing" }
  | { is: "waiting" }
  | { is: "refused"; problem: string }
  | { is: "measured"; measure: Measure };

interface Measuring {
  tool: ToolName;
  outcome: Outcome;
  /** Whether keys have set the beginning of a stroke, whose end is awaited. */
  begun: boolean;
  layers: readonly Layer[];
  choose: (tool: ToolName) => void;
  clicked: (spot: Spot) => void;
  drawn: (stroke: Stroke | null, done: boolean) => void;
  /** What Enter does in the middle of the view. */
  aimed: (middle: Spot) => void;
}

/** Measures what is clicked and drawn with the chosen tool; of several the last one counts. */
export function useMeasuring(opened: OpenedImage): Measuring {
  const [tool, setTool] = useState<ToolName>("move");
  const [outcome, setOutcome] = useState<Outcome>({ is: "nothing" });
  const [stroke, setStroke] = useState<{ from: Spot; to: Spot | null } | null>(null);
  const asked = useRef(0);

  async function ask(measured: () => Promise<Measure>) {
    const mine = ++asked.current;
    setOutcome({ is: "waiting" });
    try {
      const measure = await measured();
      if (mine === asked.current) setOutcome({ is: "measured", measure });
    } catch (error) {
      if (mine === asked.current) setOutcome({ is: "refused", problem: problemOf(error) });
    }
  }

  function forget() {
    asked.current++;
    setOutcome({ is: "nothing" });
    setStroke(null);
  }

  function clicked(spot: Spot) {
    if (tool === "star") void ask(() => measureStar(opened, spot));
    if (tool === "centroid") void ask(() => measureCentroid(opened, spot));
  }

  function drawn(line: Stroke | null, done: boolean) {
    if (!toolOf(tool).draws) return;
    setStroke(line);
    if (!done || line === null) return;
    if (tool === "box" || tool === "circle") void ask(() => measureRegion(opened, line, tool));
    else void ask(() => measureLine(opened, line));
  }

  const begun = stroke !== null && stroke.to === null;
  function aimed(middle: Spot) {
    if (!toolOf(tool).draws) clicked(middle);
    else if (begun) drawn({ from: stroke.from, to: middle }, true);
    else {
      forget();
      setStroke({ from: middle, to: null });
    }
  }

  const layers = useMemo(() => {
    const shown: Layer[] = [];
    if (outcome.is === "measured") shown.push(markersLayer(outcome.measure.markers));
    if (stroke !== null) shown.push(strokeLayer(tool, stroke.from, stroke.to));
    else if (tool !== "move") shown.push(aimLayer);
    return shown;
  }, [outcome, stroke, tool]);

  function choose(chosen: ToolName) {
    forget();
    setTool(chosen);
  }

  return { tool, outcome, begun, layers, choose, clicked, drawn, aimed };
}
