import { useId, useMemo, useState } from "preact/hooks";
import { Chart } from "../parts/Chart";
import { DataTable } from "./DataTable";
import {
  curveTable,
  drawn,
  type Fold,
  type LightCurve,
  periodText,
  phaseOf,
  readEpoch,
  readPeriod,
  said,
  SCALES,
  slid,
  SLIDER_STEPS,
  type TimeScale,
  timesOf,
} from "./lightCurve";
import { PeriodogramView } from "./PeriodogramView";
import { periodogramOf } from "./periodogram";
import type { Address } from "./ResultsView";
import { shortly } from "./reading";
import { csv } from "./table";
import { trackOf } from "./track";

const TWO_CYCLES: [number, number] = [-0.05, 2.05];

interface LightCurveProps {
  curve: LightCurve;
  output: unknown;
  address: Address;
}

/** A light curve by time or folded, its periodogram, and the way of a target that moves. */
export function LightCurveView({ curve, output, address }: LightCurveProps) {
  const periodogram = useMemo(() => periodogramOf(output), [output]);
  const track = useMemo(() => trackOf(output, curve), [output, curve]);
  const found = periodogram?.days ?? null;
  const [period, setPeriod] = useState(found === null ? "" : periodText(found));
  const [epochText, setEpoch] = useState("");
  const [scale, setScale] = useState<TimeScale>("jdUtc");
  const times = useMemo(() => timesOf(curve, scale), [curve, scale]);
  const { days, problem } = readPeriod(period);
  const { epoch, problem: epochProblem } = readEpoch(epochText, times[0] ?? 0);
  const fold = useMemo((): Fold | null => (days === null ? null : { days, epoch }), [days, epoch]);
  const zero = Math.floor(times[0] ?? 0);
  const shown = useMemo(
    () => (fold === null ? drawn(curve, times.map((time) => time - zero), 1) : drawn(curve, times.map((time) => phaseOf(time, fold)), 2)),
    [curve, times, fold, zero],
  );
  const name = `Light curve${curve.target === null ? "" : ` of ${curve.target}`}${curve.filter === null ? "" : `, ${curve.filter}`}`;
  const phaseZero = `phase 0 at ${SCALES[scale]} ${epoch.toFixed(5)}`;
  const seen = curve.points.filter((point) => point.mag !== null).length;
  const pointOf = (series: number, place: number) => shown.places[series]?.[place] ?? -1;

  function addressOf(number: number): string | null {
    const point = curve.points[number];
    return point?.frame == null ? null : address(point.frame, point.place);
  }

  function open(number: number) {
    const there = addressOf(number);
    if (there !== null) location.hash = there;
  }

  return (
    <>
      <p class="detail">{curve.points.length} frames, {seen} with a magnitude. A click on a point opens its frame where the star is.{fold !== null && ` Folded, ${phaseZero}.`}</p>
      <FoldForm
        found={found}
        period={period}
        problem={problem}
        setPeriod={setPeriod}
        epoch={epochText}
        epochProblem={epochProblem}
        first={times[0] ?? 0}
        setEpoch={setEpoch}
        span={(times.at(-1) ?? 0) - (times[0] ?? 0)}
      >
        {curve.hasBjd && (
          <label>
            Times
            <select value={scale} onChange={(event) => setScale(event.currentTarget.value as TimeScale)}>
              {Object.entries(SCALES).map(([key, label]) => <option key={key} value={key}>{label}</option>)}
            </select>
          </label>
        )}
      </FoldForm>
      {seen === 0 && <p>On no frame could the target be measured: what is shown is what it is fainter than, where that is known.</p>}
      {shown.series.length > 0 && (
        <Chart
          name={name}
          title={fold === null ? name : `${name}; ${phaseZero}`}
          xLabel={fold === null ? `${SCALES[scale]} − ${zero}, days` : `phase, P = ${periodText(fold.days)} d`}
          yLabel={curve.filter === null ? "magnitude" : `magnitude, ${curve.filter}`}
          yDown
          series={shown.series}
          {...(fold === null ? {} : { across: TWO_CYCLES })}
          table={() => csv(curveTable(curve, fold, times))}
          describe={(series, place) => [
            ...said(curve, pointOf(series, place), scale),
            ...(fold === null ? [] : [`phase ${phaseOf(times[pointOf(series, place)] ?? 0, fold).toFixed(4)}`]),
          ]}
          clicked={(series, place) => open(pointOf(series, place))}
        />
      )}
      <DataTable title="Points" name={name} table={curveTable(curve, fold, times)} link={addressOf} />
      {periodogram !== null && <PeriodogramView periodogram={periodogram} name={name} folded={days} foldAt={(chosen) => setPeriod(periodText(chosen))} />}
      {track !== null && (
        <Chart
          name={`Way of ${curve.target ?? "the target"}`}
          xLabel="east of the first, arcsec"
          yLabel="north, arcsec"
          series={track.series}
          describe={(series, place) => {
            const number = track.places[series]?.[place];
            return number === undefined ? ["A position that was given"] : said(curve, number, "jdUtc");
          }}
          clicked={(series, place) => open(track.places[series]?.[place] ?? -1)}
        />
      )}
    </>
  );
}

interface FoldFormProps {
  found: number | null;
  period: string;
  problem: string;
  setPeriod: (text: string) => void;
  epoch: string;
  epochProblem: string;
  first: number;
  setEpoch: (text: string) => void;
  span: number;
  children: preact.ComponentChildren;
}

/** Period and epoch by hand: in numbers, and finely with a slider. */
function FoldForm({ found, period, problem, setPeriod, epoch, epochProblem, first, setEpoch, span, children }: FoldFormProps) {
  const id = useId();
  const { days } = readPeriod(period);
  // What the slider moves around: the period before it was touched.
  const [sliding, setSliding] = useState<{ around: number; step: number; text: string } | null>(null);
  const around = sliding !== null && sliding.text === period ? sliding : { around: days ?? 1, step: 0 };

  function slide(step: number) {
    const text = slid(around.around, step, span);
    setSliding({ around: around.around, step, text });
    setPeriod(text);
  }

  return (
    <div class="fold">
      <div class="choice">
        <label>
          Period, days
          <input
            inputMode="decimal"
            value={period}
            placeholder="by time"
            aria-invalid={problem !== ""}
            aria-describedby={`${id}-problem`}
            onInput={(event) => setPeriod(event.currentTarget.value)}
          />
        </label>
        <label>
          Finely
          <input
            type="range"
            min={-SLIDER_STEPS}
            max={SLIDER_STEPS}
            step={1}
            value={around.step}
            disabled={days === null}
            aria-valuetext={days === null ? "no period" : `${period} days`}
            onInput={(event) => slide(event.currentTarget.valueAsNumber)}
          />
        </label>
        <label>
          Epoch, JD
          <input
            inputMode="decimal"
            value={epoch}
            placeholder={shortly(first, 12)}
            aria-invalid={epochProblem !== ""}
            aria-describedby={`${id}-problem`}
            onInput={(event) => setEpoch(event.currentTarget.value)}
          />
        </label>
        {children}
      </div>
      <div class="choice">
        {found !== null && <button type="button" onClick={() => setPeriod(periodText(found))}>As found</button>}
        <button type="button" disabled={days === null} onClick={() => days !== null && setPeriod(periodText(days / 2))}>Half</button>
        <button type="button" disabled={days === null} onClick={() => days !== null && setPeriod(periodText(2 * days))}>Twice</button>
        <button type="button" disabled={period === ""} onClick={() => setPeriod("")}>By time</button>
      </div>
      <p class="problem" role="alert" id={`${id}-problem`}>{problem || epochProblem}</p>
    </div>
  );
}
