import { useMemo } from "preact/hooks";
import { ClusterDiagram } from "./ClusterDiagram";
import { clusterOf } from "./cluster";
import { frameAddress } from "./frames";
import { LightCurveView } from "./LightCurveView";
import { lightCurveOf } from "./lightCurve";
import { Others } from "./Others";
import { isObject, type SkyPlace, textsOf } from "./reading";
import { ZeroPointView } from "./ZeroPointView";
import { zeroPointOf } from "./zeroPoint";

/** Returns the address of a frame in the viewer, at a place on the sky. */
export type Address = (frame: string, place: SkyPlace | null) => string;

export interface ResultsProps {
  output: unknown;
  /** What the operation was given: its frames are found by it. */
  inputs: unknown;
}

/** What charts and lists below show already. */
const SHOWN = {
  always: ["notes", "source", "target_coords"],
  curve: ["light_curve", "filter", "period", "fap", "frequency", "power", "window_power", "period_candidates", "period_notes", "target_positions", "pipeline_diagnostics", "flux_fallback"],
  cluster: ["cmd", "cluster", "blue_filter", "red_filter", "mag_band", "member_threshold"],
  zeroPoint: ["selected_comparison_stars"],
};

/** An output: its notes, its charts, and whatever else there is in words and tables. */
export function ResultsView({ output, inputs }: ResultsProps) {
  const address = useMemo(() => frameAddress(inputs), [inputs]);
  const curve = useMemo(() => lightCurveOf(output), [output]);
  const cluster = useMemo(() => clusterOf(output), [output]);
  const zeroPoint = useMemo(() => zeroPointOf(output), [output]);
  const notes = isObject(output) ? textsOf(output["notes"]) : [];
  const shown = new Set([
    ...SHOWN.always,
    ...(curve === null ? [] : SHOWN.curve),
    ...(cluster === null ? [] : SHOWN.cluster),
    ...(zeroPoint === null ? [] : SHOWN.zeroPoint),
  ]);
  const isEmpty = isObject(output) && Array.isArray(output["light_curve"]) && curve === null;
  return (
    <div class="results">
      {notes.length > 0 && <ul class="notes">{notes.map((note, place) => <li key={place}>{note}</li>)}</ul>}
      {isEmpty && <p>The light curve has no points: no frame gave a time and a magnitude. The notes say why.</p>}
      {curve !== null && <LightCurveView curve={curve} output={output} address={address} />}
      {cluster !== null && <ClusterDiagram cluster={cluster} inputs={inputs} address={address} />}
      {zeroPoint !== null && <ZeroPointView zeroPoint={zeroPoint} frame={curve?.points[0]?.frame ?? null} address={address} />}
      <Others output={output} shown={shown} />
    </div>
  );
}
