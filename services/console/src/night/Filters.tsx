import { useEffect, useState } from "preact/hooks";
import { answered, api, type Frame } from "../api/client";
import type { components } from "../api/schema";
import { problemOf } from "../words";
import { EVERYTHING, narrowings, type NightQuestion, type Text, USUAL_RADIUS_ARCMIN } from "./nightQuestion";
import { type Position, readPosition } from "./position";

export type Aggregate = components["schemas"]["FrameAggregate"];
type Change = (change: Partial<NightQuestion>) => void;

const DAY_MS = 86_400_000;
/** What is chosen among the values that frames have: what it is called, and where the values are. */
const CHOICES: readonly [Text, string, keyof Aggregate][] = [
  ["filter", "Filter", "filters"],
  ["kind", "Kind", "obstypes"],
  ["telescope", "Telescope", "telescopes"],
  ["instrument", "Camera", "instruments"],
  ["proposal", "Proposal", "proposals"],
];

interface Props {
  question: NightQuestion;
  change: Change;
  sites: readonly string[];
  values: Aggregate | null;
}

/** What is asked for: a site, a night, and whatever narrows it. */
export function Filters({ question, change, sites, values }: Props) {
  const narrowed = narrowings(question);
  const [open, setOpen] = useState(narrowed > 0);
  return (
    <search class="filters">
      <div class="choice">
        <label>
          Site
          <select value={question.site} onChange={(event) => change({ site: event.currentTarget.value })}>
            <option value="">all</option>
            {sites.map((each) => <option key={each} value={each}>{each}</option>)}
          </select>
        </label>
        <NightChoice night={question.night} change={change} />
        <div class="switch" role="group" aria-label="Show frames as">
          <button type="button" aria-pressed={!question.table} onClick={() => change({ table: false })}>Pictures</button>
          <button type="button" aria-pressed={question.table} onClick={() => change({ table: true })}>Table</button>
        </div>
        <button type="button" aria-expanded={open} aria-controls="narrowings" onClick={() => setOpen(!open)}>
          {narrowed === 0 ? "Search and filters" : `Search and filters (${narrowed})`}
        </button>
        {narrowed > 0 && (
          <button type="button" class="quiet" onClick={() => change({ ...EVERYTHING, site: question.site, night: question.night, table: question.table })}>
            Show all again
          </button>
        )}
      </div>
      <div id="narrowings" hidden={!open}>
        <Search question={question} change={change} />
        <div class="choice">
          {CHOICES.map(([name, title, among]) => (
            <label key={name}>
              {title}
              <select value={question[name]} onChange={(event) => change({ [name]: event.currentTarget.value })}>
                <option value="">any</option>
                {withChosen(values?.[among] ?? [], question[name]).map((each) => <option key={each} value={each}>{each}</option>)}
              </select>
            </label>
          ))}
        </div>
      </div>
    </search>
  );
}

const withChosen = (values: readonly string[], chosen: string) => (chosen === "" || values.includes(chosen) ? values : [chosen, ...values]);

function NightChoice({ night, change }: { night: string; change: Change }) {
  const step = (days: number) => {
    const from = night === "" ? Date.now() - DAY_MS / 2 : Date.parse(`${night}T00:00:00Z`);
    change({ night: new Date(from + days * DAY_MS).toISOString().slice(0, 10) });
  };
  return (
    <div class="night">
      <label>
        Night
        <input type="date" value={night} onChange={(event) => change({ night: event.currentTarget.value })} />
      </label>
      <button type="button" aria-label="The night before" onClick={() => step(night === "" ? 0 : -1)}>‹</button>
      <button type="button" aria-label="The night after" disabled={night === ""} onClick={() => step(1)}>›</button>
      <button type="button" disabled={night === ""} onClick={() => change({ night: "" })}>Latest</button>
    </div>
  );
}

/** By the name of the target, and by a place on the sky: both in the whole archive. */
function Search({ question, change }: { question: NightQuestion; change: Change }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [target, setTarget] = useState(question.target);
  const [near, setNear] = useState(question.near);
  const [radius, setRadius] = useState(question.radius);
  useEffect(() => {
    setTarget(question.target);
    setNear(question.near);
    setRadius(question.radius);
  }, [question.target, question.near, question.radius]);

  async function search(event: SubmitEvent) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem("");
    try {
      const arcmin = radius.trim() === "" ? USUAL_RADIUS_ARCMIN : Number(radius.replace(",", "."));
      if (!(arcmin >= 0 && arcmin <= 2700)) throw new RangeError("A radius is 0 to 2700 arcmin (45°).");
      const found = near.trim() === "" ? null : await positionOf(near);
      change({
        target: target.trim(),
        near: near.trim(),
        position: found === null ? "" : `${found.ra.toFixed(6)} ${found.dec.toFixed(6)}`,
        radius: found === null || arcmin === USUAL_RADIUS_ARCMIN ? "" : String(arcmin),
      });
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form class="choice" onSubmit={(event) => void search(event)} noValidate>
      <label>
        Target contains
        <input type="search" value={target} maxLength={200} onInput={(event) => setTarget(event.currentTarget.value)} />
      </label>
      <label>
        Near
        <input
          type="search"
          value={near}
          maxLength={100}
          placeholder="M 51, or 13:29:53 +47:11:43"
          aria-invalid={problem !== ""}
          aria-describedby="near-found"
          onInput={(event) => setNear(event.currentTarget.value)}
        />
      </label>
      <label>
        within
        <input class="short" inputMode="decimal" value={radius} placeholder={String(USUAL_RADIUS_ARCMIN)} onInput={(event) => setRadius(event.currentTarget.value)} />
        arcmin
      </label>
      <button type="submit" class="first" disabled={busy}>{busy ? "Looking …" : "Search"}</button>
      <p id="near-found" class={problem === "" ? "hint" : "problem"} role="status">
        {problem !== "" ? problem : question.position === "" ? "" : `${question.near} is at RA ${question.position.replace(" ", "°, Dec ")}°`}
      </p>
    </form>
  );
}

/** Returns where something is: as written, or what is known by the name. */
async function positionOf(text: string): Promise<Position> {
  const written = readPosition(text);
  if (written !== null) return written;
  const found = await answered(api.GET("/api/names/{name}", { params: { path: { name: text.trim() } } }));
  if ("error" in found) throw new Error(found.error);
  return { ra: found.ra, dec: found.dec };
}

/** Returns what frames are, for people to read. */
export const described = (frame: Frame): string =>
  [frame.primary_optical_element, frame.exposure_time === null ? "" : `${frame.exposure_time} s`].filter(Boolean).join(" · ");
