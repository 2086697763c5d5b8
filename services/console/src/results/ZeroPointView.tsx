import { useMemo } from "preact/hooks";
import { Chart } from "../parts/Chart";
import { DataTable } from "./DataTable";
import type { Address } from "./ResultsView";
import { placeOf } from "./reading";
import { csv, tableOf } from "./table";
import { comparisonSaid, type ZeroPoint, zeroPointSeries } from "./zeroPoint";

/** How the comparison stars of a light curve agree with their catalogue. */
export function ZeroPointView({ zeroPoint, frame, address }: { zeroPoint: ZeroPoint; frame: string | null; address: Address }) {
  const { mag, scatter, stars, rows } = zeroPoint;
  const series = useMemo(() => zeroPointSeries(zeroPoint), [zeroPoint]);
  const table = useMemo(() => tableOf(rows), [rows]);

  function charted(name: string, xLabel: string, yLabel: string, shown: typeof series.fit, height: number, yDown: boolean) {
    return (
      <Chart
        name={name}
        xLabel={xLabel}
        yLabel={yLabel}
        yDown={yDown}
        height={height}
        series={shown}
        table={() => csv(table)}
        describe={(number, place) => {
          const star = number === 0 ? stars[place] : undefined;
          return star === undefined ? [] : comparisonSaid(star);
        }}
        clicked={(number, place) => {
          const star = number === 0 ? stars[place] : undefined;
          if (frame !== null && star?.place != null) location.hash = address(frame, star.place);
        }}
      />
    );
  }

  return (
    <details class="zero-point">
      <summary>Comparison stars: {stars.length}, zero point {mag.toFixed(3)} mag with a scatter of {scatter.toFixed(3)} mag</summary>
      <p class="detail">Instrumental magnitudes are −2.5 log10 of the counts, the median of all frames. The zero point is the median difference; each frame's own follows the counts of the ensemble.</p>
      {charted("Zero point", "instrumental magnitude", "catalogue magnitude", series.fit, 320, true)}
      {charted("Residuals of the zero point", "catalogue magnitude", "residual, mag", series.left, 240, false)}
      <DataTable
        title="Stars"
        name="Comparison stars"
        table={table}
        {...(frame === null ? {} : { link: (row: number) => address(frame, placeOf(rows[row]?.["ra_deg"], rows[row]?.["dec_deg"])) })}
      />
    </details>
  );
}
