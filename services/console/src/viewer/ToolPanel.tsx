import { useState } from "preact/hooks";
import { Chart } from "../parts/Chart";
import { shortly } from "../words";
import { type Fact, factsAsCsv, type Measure, tableAsCsv } from "./measuring";
import { TOOLS, toolOf, type ToolName } from "./toolbox";
import type { Outcome } from "./useMeasuring";

export function ToolBar({ tool, choose }: { tool: ToolName; choose: (tool: ToolName) => void }) {
  return (
    <div class="controls" role="group" aria-label="Tools">
      {TOOLS.map(({ name, label, key, hint }) => (
        <button key={name} type="button" aria-pressed={tool === name} aria-keyshortcuts={key} title={`${hint} (${key})`} onClick={() => choose(name)}>
          {label}
        </button>
      ))}
    </div>
  );
}

interface PanelProps {
  tool: ToolName;
  outcome: Outcome;
  begun: boolean;
  /** What there is to say of what lies over the image. */
  says: string;
}

/** What the chosen tool is for, and what it has found. */
export function ToolPanel({ tool, outcome, begun, says }: PanelProps) {
  const { label } = toolOf(tool);
  return (
    <section class="tool-panel" aria-label="Tool">
      <h2>{label}</h2>
      <div role="status">
        {outcome.is === "nothing" && <p class="hint">{hintOf(tool, begun)}</p>}
        {outcome.is === "waiting" && <p class="hint">Measuring …</p>}
        {outcome.is === "measured" && <Facts facts={outcome.measure.facts} />}
      </div>
      {outcome.is === "refused" && <p class="problem" role="alert">{outcome.problem}</p>}
      {outcome.is === "measured" && <Found measure={outcome.measure} />}
      <p class="hint" role="status">{says}</p>
    </section>
  );
}

function hintOf(tool: ToolName, begun: boolean): string {
  const { hint, draws } = toolOf(tool);
  if (begun) return "Move the image, then press Enter again.";
  if (tool === "move") return hint;
  return `${hint} ${draws ? "Enter begins in the middle of the view, and ends there." : "Enter takes the middle of the view."}`;
}

function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts measured">
      {facts.map(({ name, value, unit, decimals }) => (
        <div key={`${name} ${unit ?? ""}`}>
          <dt>{name}</dt>
          <dd>{value === null ? "–" : typeof value === "number" ? (decimals === undefined ? shortly(value) : value.toFixed(decimals)) : value}{unit === undefined ? "" : ` ${unit}`}</dd>
        </div>
      ))}
    </dl>
  );
}

function Found({ measure: { facts, notes, plot } }: { measure: Measure }) {
  return (
    <>
      {notes.length > 0 && <ul class="notes">{notes.map((note) => <li key={note}>{note}</li>)}</ul>}
      {plot !== undefined && <Chart xLabel={plot.xLabel} yLabel={plot.yLabel} series={plot.series} height={240} />}
      <p class="choice">
        <CopyButton label="Copy values as CSV" text={() => factsAsCsv(facts)} />
        {plot !== undefined && <CopyButton label="Copy plot as CSV" text={() => tableAsCsv(plot.table)} />}
      </p>
    </>
  );
}

/** Copies a text; where browsers do not let pages do that, it is shown to be copied by hand. */
function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [copied, setCopied] = useState<"" | "copied" | "refused">("");
  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
      setCopied("copied");
    } catch {
      setCopied("refused");
    }
  }
  return (
    <>
      <button type="button" onClick={() => void copy()}>{label}</button>
      <span role="status" class="hint">{copied === "copied" ? "Copied." : ""}</span>
      {copied === "refused" && (
        <label class="by-hand">
          This browser lets no page copy: select the text, and copy it.
          <textarea readOnly rows={6} value={text()} onFocus={(event) => event.currentTarget.select()} />
        </label>
      )}
    </>
  );
}
