import type { RefObject } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Frame } from "../api/client";
import { utc } from "../words";
import { choose, chosen } from "./chosen";
import { laidOut, rowsBetween } from "./layout";
import { MeasureFrames } from "./MeasureFrames";
import type { NightQuestion, Order } from "./nightQuestion";
import { QUALITY_COLUMNS, type QualityColumn, qualities, sortedBy } from "./quality";
import { instantOf, localTime, type SiteClock } from "./siteTime";
import { useAnchor, useSight } from "./useSight";

/** Of a row, in rem (`style.css`). */
const ROW_REM = 2.75;

interface Column {
  title: string;
  order: Order | null;
  /** Left out where there is little room. */
  wide: boolean;
  cell: (frame: Frame, clock: SiteClock | undefined) => string;
}

const COLUMNS: readonly Column[] = [
  { title: "Begun", order: "observation_date", wide: false, cell: (frame) => utc(frame.observation_date) },
  {
    title: "At the site",
    order: null,
    wide: true,
    cell: (frame, clock) => {
      const instant = instantOf(frame.observation_date);
      return clock === undefined || instant === null ? "" : localTime(instant, clock);
    },
  },
  { title: "Filter", order: "primary_optical_element", wide: false, cell: (frame) => frame.primary_optical_element },
  { title: "Exposure", order: "exposure_time", wide: true, cell: (frame) => (frame.exposure_time === null ? "" : `${frame.exposure_time} s`) },
  { title: "Kind", order: "configuration_type", wide: true, cell: (frame) => frame.configuration_type },
  { title: "Camera", order: "instrument_id", wide: true, cell: (frame) => frame.instrument_id },
  { title: "Proposal", order: "proposal_id", wide: true, cell: (frame) => frame.proposal_id },
  { title: "Reduced", order: "reduction_level", wide: true, cell: (frame) => String(frame.reduction_level ?? "") },
  { title: "Notes", order: null, wide: true, cell: (frame) => frame.notes.join("; ") },
];

interface Props {
  frames: readonly Frame[];
  clocks: ReadonlyMap<string, SiteClock>;
  question: NightQuestion;
  sort: (order: Order) => void;
  above: RefObject<HTMLElement>;
  end: () => void;
}

/** Frames as rows that can be sorted; columns that none has anything for are left out. */
export function FrameTable({ frames: found, clocks, question, sort, above, end }: Props) {
  const [by, setBy] = useState<{ column: QualityColumn; ascending: boolean } | null>(null);
  const known = qualities.value;
  const frames = useMemo(() => (by === null ? found : sortedBy(found, by.column, by.ascending, known)), [found, by, known]);
  const measured = found.some((frame) => typeof known.get(frame.basename) === "object") ? QUALITY_COLUMNS : [];
  const place = useRef<HTMLTableSectionElement>(null);
  const [from, until] = useSight(place);
  const row = ROW_REM * (Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16);
  const measures = { columns: 1, row, heading: 0 };
  const spot = laidOut([frames.length], measures).places[0] ?? { top: 0, rows: 0 };
  const [first, last] = rowsBetween(spot, measures, from, until);
  const columns = useMemo(
    () => COLUMNS.filter((column) => column.order !== null || frames.some((frame) => column.cell(frame, clocks.get(frame.site_id)) !== "")),
    [frames, clocks],
  );
  const places = useMemo(() => new Map(frames.map((frame, index) => [frame.basename, index])), [frames]);
  useAnchor(
    place,
    above,
    (height) => frames[Math.floor(height / row)]?.basename ?? null,
    (name) => {
      const index = places.get(name);
      return index === undefined ? null : index * row;
    },
  );
  useEffect(() => {
    if (spot.rows * row < until) end();
  }, [spot.rows, until]);

  const heading = (title: string, order: Order | null, wide: boolean) => {
    const sorted = by === null && order !== null && question.order === order;
    return (
      <th key={title} scope="col" class={wide ? "wide" : title.toLowerCase()} aria-sort={sorted ? (question.ascending ? "ascending" : "descending") : undefined}>
        {order === null ? title : (
          <button
            type="button"
            onClick={() => {
              setBy(null);
              if (by === null || question.order !== order) sort(order);
            }}
          >
            {title}<span aria-hidden="true">{sorted ? (question.ascending ? " ▲" : " ▼") : ""}</span>
          </button>
        )}
      </th>
    );
  };
  const measuredHeading = (column: QualityColumn) => {
    const sorted = by?.column === column;
    return (
      <th key={column.title} scope="col" aria-sort={sorted ? (by.ascending ? "ascending" : "descending") : undefined}>
        <button type="button" onClick={() => setBy({ column, ascending: sorted ? !by.ascending : true })}>
          {column.title}<span aria-hidden="true">{sorted ? (by.ascending ? " ▲" : " ▼") : ""}</span>
        </button>
      </th>
    );
  };
  const width = columns.length + measured.length + 2;
  return (
    <>
      <MeasureFrames frames={frames} />
      {by !== null && <p class="hint">Sorted by {by.column.title} among the {frames.length} frames that are shown.</p>}
      <div class="sideways" tabIndex={measured.length > 0 ? 0 : undefined} role="region" aria-label="Frames">
        <table class={measured.length > 0 ? "list frame-table measured" : "list frame-table"} aria-rowcount={frames.length + 1}>
          <caption class="unseen">Frames</caption>
          <thead>
            <tr>
              <th scope="col"><span class="unseen">Choose</span></th>
              {heading("Target", "target_name", false)}
              {measured.map(measuredHeading)}
              {columns.map(({ title, order, wide }) => heading(title, order, wide))}
            </tr>
          </thead>
          <tbody ref={place}>
            {first > 0 && <tr aria-hidden="true"><td class="spacer" colSpan={width} style={{ height: `${first * row}px` }} /></tr>}
            {frames.slice(first, last).map((frame, index) => (
              <tr key={frame.basename} class={chosen.value.has(frame.basename) ? "chosen" : ""} aria-rowindex={first + index + 2}>
                <td>
                  <input
                    type="checkbox"
                    checked={chosen.value.has(frame.basename)}
                    aria-label={`Choose ${frame.basename}`}
                    onClick={(event) => choose(frame, event.shiftKey, frames)}
                  />
                </td>
                <td><Link href={`/image/archive/${encodeURIComponent(frame.basename)}`} title={frame.basename}>{frame.target_name || frame.basename}</Link></td>
                {measured.map((column) => {
                  const quality = known.get(frame.basename);
                  return (
                    <td key={column.title} title={typeof quality === "string" ? quality : undefined}>
                      {quality === undefined ? "" : typeof quality === "string" ? "–" : column.text(quality)}
                    </td>
                  );
                })}
                {columns.map(({ title, wide, cell }) => {
                  const text = cell(frame, clocks.get(frame.site_id));
                  return <td key={title} class={wide ? "wide" : ""} title={text}>{text}</td>;
                })}
              </tr>
            ))}
            {last < frames.length && <tr aria-hidden="true"><td class="spacer" colSpan={width} style={{ height: `${(frames.length - last) * row}px` }} /></tr>}
          </tbody>
        </table>
      </div>
    </>
  );
}
