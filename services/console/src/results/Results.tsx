import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { Chart, type Series } from "../parts/Chart";
import { csv, type Curve, curveOf, type Diagram, diagramOf, folded } from "./curves";

const INK = "#5b9bff";
const SECOND = "#ffb454";
const FAINT = "#7d879e";
/** Characters of numbers that are shown; all of them are saved. */
const MOST_SHOWN = 20_000;

/** What an operation has found, drawn if it is a curve or a diagram; its notes; and the numbers as they are. */
export function Results({ output, open }: { output: unknown; open: (frame: string) => void }) {
  const curve = useMemo(() => curveOf(output), [output]);
  const diagram = useMemo(() => diagramOf(output), [output]);
  const text = useMemo(() => JSON.stringify(output, null, 1), [output]);
  const notes = (output as { notes?: unknown } | null)?.notes;
  return (
    <div class="results">
      {Array.isArray(notes) && notes.length > 0 && (
        <ul class="notes">{notes.map((note, place) => <li key={place}>{String(note)}</li>)}</ul>
      )}
      {curve !== null && <LightCurve curve={curve} open={open} />}
      {diagram !== null && <ColourMagnitude diagram={diagram} />}
      <details>
        <summary>Numbers</summary>
        <p><Save name="output.json" kind="application/json" text={() => text}>Save as JSON</Save></p>
        <pre>{text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)} …` : text}</pre>
      </details>
    </div>
  );
}

const shortly = (days: number) => String(Number(days.toPrecision(8)));

function LightCurve({ curve, open }: { curve: Curve; open: (frame: string) => void }) {
  const found = curve.period;
  const [period, setPeriod] = useState(found === null ? "" : shortly(found));
  const days = Number(period);
  const fold = period.trim() !== "" && days > 0;
  const zero = Math.floor(curve.points[0]?.date ?? 0);
  const shown = useMemo((): { series: Series[]; place: number[] } => {
    if (fold) {
      const { phase, mag, error, place } = folded(curve.points, days);
      return { series: [{ label: "magnitude", colour: INK, x: phase, y: mag, error }], place };
    }
    const x = curve.points.map((point) => point.date - zero);
    const y = curve.points.map((point) => point.mag);
    const error = curve.points.map((point) => point.error);
    return { series: [{ label: "magnitude", colour: INK, x, y, error }], place: curve.points.map((_, place) => place) };
  }, [curve, fold, days]);
  const spectrum = useMemo(
    (): Series[] => [{ label: "power", colour: SECOND, x: curve.frequency, y: curve.power, line: true }],
    [curve],
  );

  function table(): string {
    return csv({
      julian_date: curve.points.map((point) => point.date),
      mag: curve.points.map((point) => point.mag),
      magerr: curve.points.map((point) => point.error),
      frame: curve.points.map((point) => point.frame),
    });
  }

  function opened(_series: number, place: number) {
    const frame = curve.points[shown.place[place] ?? -1]?.frame;
    if (frame != null) open(frame);
  }

  return (
    <>
      <div class="choice">
        <label>
          Period, days
          <input inputMode="decimal" value={period} placeholder="none" onInput={(event) => setPeriod(event.currentTarget.value)} />
        </label>
        {found !== null && <button type="button" onClick={() => setPeriod(shortly(found))}>As found</button>}
        {fold && <button type="button" onClick={() => setPeriod(shortly(2 * days))}>Twice</button>}
        {fold && <button type="button" onClick={() => setPeriod("")}>By time</button>}
        <Save name="light-curve.csv" kind="text/csv" text={table}>Save as CSV</Save>
      </div>
      <Chart
        xLabel={fold ? "phase" : `days since JD ${zero} (UTC)`}
        yLabel="magnitude"
        yDown
        series={shown.series}
        clicked={opened}
      />
      {curve.power.length > 1 && <Chart xLabel="frequency, 1/day" yLabel="power" series={spectrum} height={200} />}
    </>
  );
}

function ColourMagnitude({ diagram }: { diagram: Diagram }) {
  const series = useMemo(
    (): Series[] => [
      { label: "others", colour: FAINT, x: diagram.others[0], y: diagram.others[1], size: 3 },
      { label: "members", colour: SECOND, x: diagram.members[0], y: diagram.members[1], size: 5 },
    ],
    [diagram],
  );
  return <Chart xLabel={diagram.colour} yLabel={diagram.band} yDown series={series} height={480} />;
}

interface SaveProps {
  name: string;
  kind: string;
  text: () => string;
  children: ComponentChildren;
}

function Save({ name, kind, text, children }: SaveProps) {
  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text()], { type: kind }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }
  return <button type="button" onClick={save}>{children}</button>;
}
