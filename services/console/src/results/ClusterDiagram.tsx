import { useMemo, useState } from "preact/hooks";
import { Chart } from "../parts/Chart";
import { type Cluster, clusterSeries, starSaid } from "./cluster";
import { DataTable } from "./DataTable";
import type { Address } from "./ResultsView";
import { isObject, placeOf, rowsOf, shortly, textOr } from "./reading";
import { csv, tableOf } from "./table";

/** The colour-magnitude diagram of a cluster, with how likely each star belongs to it as its colour. */
export function ClusterDiagram({ cluster, inputs, address }: { cluster: Cluster; inputs: unknown; address: Address }) {
  const [membersOnly, setMembersOnly] = useState(false);
  const [withGaia, setWithGaia] = useState(false);
  const gaiaOnly = cluster.stars.filter((star) => star.gaiaOnly).length;
  const chosen = useMemo(
    () => clusterSeries(cluster.stars.filter((star) => (star.isMember || !membersOnly) && (!star.gaiaOnly || withGaia))),
    [cluster, membersOnly, withGaia],
  );
  const [red] = isObject(inputs) ? rowsOf(inputs["red_filter_files"]) : [];
  const frame = textOr(red?.["basename"]);
  const name = `Colour-magnitude diagram${cluster.name === null ? "" : ` of ${cluster.name}`}`;
  const table = useMemo(() => tableOf(cluster.rows), [cluster]);

  return (
    <>
      <div class="choice">
        <label><input type="checkbox" checked={membersOnly} onChange={(event) => setMembersOnly(event.currentTarget.checked)} /> Only members{cluster.threshold === null ? "" : `, from ${shortly(100 * cluster.threshold, 3)} % on`}</label>
        {gaiaOnly > 0 && <label><input type="checkbox" checked={withGaia} onChange={(event) => setWithGaia(event.currentTarget.checked)} /> Also {gaiaOnly} stars that only Gaia has</label>}
      </div>
      {chosen.series.length === 0 ? (
        <p>No star of these kinds has a colour.</p>
      ) : (
        <Chart
          name={name}
          xLabel={`colour ${cluster.colour}, mag`}
          yLabel={`magnitude, ${cluster.band}`}
          yDown
          height={480}
          series={chosen.series}
          table={() => csv(table)}
          describe={(series, place) => {
            const star = chosen.stars[series]?.[place];
            return star === undefined ? [] : starSaid(star);
          }}
          clicked={(series, place) => {
            const star = chosen.stars[series]?.[place];
            if (frame !== null && star?.place != null) location.hash = address(frame, star.place);
          }}
        />
      )}
      <DataTable
        title="Stars"
        name={name}
        table={table}
        {...(frame === null ? {} : { link: (row: number) => address(frame, placeOf(cluster.rows[row]?.["ra"], cluster.rows[row]?.["dec"])) })}
      />
    </>
  );
}
