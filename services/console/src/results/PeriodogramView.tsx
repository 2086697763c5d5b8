import { useMemo } from "preact/hooks";
import { Chart, type Series } from "../parts/Chart";
import { DataTable } from "./DataTable";
import { periodText } from "./lightCurve";
import { chance, markersOf, type Periodogram, peakNear, periodogramTable } from "./periodogram";
import { shortly } from "./reading";
import { csv } from "./table";

interface PeriodogramProps {
  periodogram: Periodogram;
  name: string;
  folded: number | null;
  foldAt: (days: number) => void;
}

/** The search for a period: every power, the candidates by name, and folding at what somebody clicks. */
export function PeriodogramView({ periodogram, name, folded, foldAt }: PeriodogramProps) {
  const { frequency, power, window, candidates, notes, days } = periodogram;
  const series = useMemo((): Series[] => {
    const powers: Series = { label: "power", colour: "--plot-1", x: frequency, y: power, line: true };
    return window.length === 0 ? [powers] : [{ label: "window: the rhythm of observing", colour: "--ramp-1", x: frequency, y: window, line: true }, powers];
  }, [frequency, power, window]);
  const markers = useMemo(() => markersOf(periodogram, folded), [periodogram, folded]);
  const title = `Periodogram, ${name}`;
  return (
    <section class="periodogram">
      <h4>Period</h4>
      {days === null && <p>No period was found.</p>}
      {notes.length > 0 && <ul class="notes">{notes.map((note, place) => <li key={place}>{note}</li>)}</ul>}
      {candidates.length > 0 && (
        <ul class="candidates">
          {candidates.map((candidate) => (
            <li key={candidate.label}>
              <button type="button" aria-pressed={folded !== null && Math.abs(candidate.days / folded - 1) < 1e-6} onClick={() => foldAt(candidate.days)}>
                Fold at {periodText(candidate.days)} d
              </button>
              <span>
                {candidate.label}
                {candidate.power !== null && `, power ${shortly(candidate.power, 3)}`}
                {candidate.falseAlarm !== null && `, false-alarm probability ${chance(candidate.falseAlarm)}`}. {candidate.description}.
              </span>
            </li>
          ))}
        </ul>
      )}
      {frequency.length > 1 && (
        <>
          <p class="detail">A click on a peak folds there.</p>
          <Chart
            name={title}
            xLabel="frequency, cycles per day"
            yLabel="power"
            height={240}
            series={series}
            markers={markers}
            table={() => csv(periodogramTable(periodogram))}
            clickedAt={(at, reach) => {
              const peak = peakNear(periodogram, at, reach);
              if (peak !== null) foldAt(peak);
            }}
          />
          <DataTable title="Powers" name={title} table={periodogramTable(periodogram)} />
        </>
      )}
    </section>
  );
}
