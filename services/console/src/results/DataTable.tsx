import { useState } from "preact/hooks";
import { fileName } from "../parts/Chart";
import { saveText } from "../parts/save";
import { type Cell, csv, headingOf, lengthOf, type Table } from "./table";

interface DataTableProps {
  title: string;
  /** Of files that are saved, without ending. */
  name: string;
  table: Table;
  /** The address that a row leads to. */
  link?: (row: number) => string | null;
}

/** Rows that a page holds without slowing down; files have all of them. */
const MOST_ROWS = 1000;

/** A table that is there when somebody opens it: what a chart shows, for readers of screens and of numbers. */
export function DataTable({ title, name, table, link }: DataTableProps) {
  const [open, setOpen] = useState(false);
  const rows = lengthOf(table);
  const shown = Math.min(rows, MOST_ROWS);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}: {rows} {rows === 1 ? "row" : "rows"}</summary>
      {open && (
        <>
          <p><button type="button" onClick={() => saveText(`${fileName(name)}.csv`, "text/csv", csv(table))}>Save CSV</button></p>
          {shown < rows && <p class="hint">The first {shown} are shown; the file has all {rows}.</p>}
          <div class="numbers" tabIndex={0} role="region" aria-label={title}>
            <table>
              <thead>
                <tr>
                  {link !== undefined && <th scope="col">open</th>}
                  {table.map((column) => <th key={column.name} scope="col">{headingOf(column)}</th>)}
                </tr>
              </thead>
              <tbody>
                {Array.from({ length: shown }, (_, row) => {
                  const address = link?.(row);
                  return (
                    <tr key={row}>
                      {link !== undefined && <td>{address == null ? "–" : <a href={address}>frame</a>}</td>}
                      {table.map((column) => <td key={column.name}>{readable(column.cells[row])}</td>)}
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </>
      )}
    </details>
  );
}

/** Returns a value as people read it; files have all its digits. */
function readable(value: Cell | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(Math.abs(value) > 1e5 ? 13 : 7)));
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}
