import { useMemo, useState } from "preact/hooks";
import { saveText } from "../parts/save";
import { DataTable } from "./DataTable";
import { isObject, type JsonObject } from "./reading";
import { tableOf } from "./table";

/** Characters of numbers that are shown; all of them are saved. */
const MOST_SHOWN = 20_000;

const UNITS: Record<string, string> = {
  aperture_radius: " arcsec",
  annulus_inner_radius: " arcsec",
  annulus_outer_radius: " arcsec",
  track_search_radius: " arcsec",
};

/** What no chart shows of an output: single values, tables, lists and pictures; and all of it as it was answered. */
export function Others({ output, shown }: { output: unknown; shown: ReadonlySet<string> }) {
  const others = isObject(output) ? Object.entries(output).filter(([key, value]) => !shown.has(key) && !isNothing(value)) : [];
  const facts = others.filter(([, value]) => !isObject(value) && !Array.isArray(value));
  return (
    <>
      {facts.length > 0 && (
        <dl class="facts">
          {facts.map(([key, value]) => <div key={key}><dt>{inWords(key)}</dt><dd>{typeof value === "boolean" ? (value ? "yes" : "no") : String(value)}{UNITS[key] ?? ""}</dd></div>)}
        </dl>
      )}
      {others.filter(([, value]) => isObject(value) || Array.isArray(value)).map(([key, value]) => <Other key={key} name={inWords(key)} value={value} />)}
      <Raw output={output} />
    </>
  );
}

function Other({ name, value }: { name: string; value: unknown }) {
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.every(([, each]) => typeof each === "string" && each.startsWith("http"))) return <Pictures name={name} links={value as Record<string, string>} />;
    if (entries.every(([, each]) => Array.isArray(each))) return <Lists name={name} lists={value as Record<string, unknown[]>} />;
    return <DataTable title={name} name={name} table={tableOf([value])} />;
  }
  const values = value as unknown[];
  if (values.every(isObject)) return <DataTable title={name} name={name} table={tableOf(values as JsonObject[])} />;
  return <DataTable title={name} name={name} table={tableOf(values.map((each) => ({ [name]: each })))} />;
}

function Pictures({ name, links }: { name: string; links: Record<string, string> }) {
  return (
    <details>
      <summary>{name}: {Object.keys(links).length}</summary>
      <ul class="strip large">
        {Object.entries(links).map(([title, link]) => (
          <li key={title}><a href={link} target="_blank" rel="noreferrer"><img src={link} alt={`${name}, ${title}`} loading="lazy" /><span>{title}</span></a></li>
        ))}
      </ul>
    </details>
  );
}

function Lists({ name, lists }: { name: string; lists: Record<string, unknown[]> }) {
  const full = Object.entries(lists).filter(([, lines]) => lines.length > 0);
  if (full.length === 0) return null;
  return (
    <details>
      <summary>{name}: {full.length}</summary>
      {full.map(([title, lines]) => (
        <details key={title}>
          <summary>{title}</summary>
          <ul class="notes">{lines.map((line, place) => <li key={place}>{String(line)}</li>)}</ul>
        </details>
      ))}
    </details>
  );
}

function Raw({ output }: { output: unknown }) {
  const [open, setOpen] = useState(false);
  const text = useMemo(() => (open ? JSON.stringify(output, null, 1) : ""), [output, open]);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Numbers</summary>
      <p><button type="button" onClick={() => saveText("output.json", "application/json", text)}>Save as JSON</button></p>
      <pre tabIndex={0}>{text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)} …` : text}</pre>
    </details>
  );
}

const isNothing = (value: unknown) => value === null || (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0);

/** Returns a key as words: `n_blue_stars` is `number of blue stars`. */
function inWords(key: string): string {
  const words = key.replace(/^n_/, "number of ").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
