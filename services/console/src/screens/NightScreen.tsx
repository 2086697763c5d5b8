import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { answered, api, type Frame } from "../api/client";
import { createSession } from "../api/sessions";
import { UploadPanel } from "../upload/UploadPanel";
import { uploads } from "../upload/uploads";
import { problemOf, utc } from "../words";
import { NightFrames } from "./nightFrames";

/** Frames as they arrive, by site and night. */
export function NightScreen() {
  const [sites, setSites] = useState<string[] | null>(null);
  const [site, setSite] = useState("");
  const [day, setDay] = useState("");
  const [problem, setProblem] = useState("");

  useEffect(() => {
    answered(api.GET("/api/frames/aggregate"))
      .then((aggregate) => {
        const found = [...(aggregate.sites ?? [])].sort();
        setSites(found);
        setSite((chosen) => chosen || (found[0] ?? ""));
      })
      .catch((error: unknown) => setProblem(problemOf(error)));
  }, []);

  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  if (sites === null) return <p class="waiting" role="status">Looking for sites …</p>;
  const all = [...new Set([...sites, ...uploads.sites.value])].sort();
  const shown = site || (all[0] ?? "");
  if (shown === "") return <><UploadPanel /><EmptyArchive /></>;
  return (
    <>
      <UploadPanel />
      <form class="choice" onSubmit={(event) => event.preventDefault()}>
        <label>
          Site
          <select value={shown} onChange={(event) => setSite(event.currentTarget.value)}>
            {all.map((each) => <option key={each}>{each}</option>)}
          </select>
        </label>
        <label>
          Night
          <input type="date" value={day} onChange={(event) => setDay(event.currentTarget.value)} />
        </label>
      </form>
      <Frames key={`${shown} ${day}`} site={shown} day={day} />
    </>
  );
}

function Frames({ site, day }: { site: string; day: string }) {
  const night = useMemo(() => new NightFrames({ site, day }), [site, day]);
  useEffect(() => () => night.close(), [night]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (name: string) => {
    const changed = new Set(chosen);
    if (!changed.delete(name)) changed.add(name);
    setChosen(changed);
  };
  const frames = night.frames.value;
  const total = night.total.value;
  if (night.problem.value !== "") {
    return (
      <p class="problem" role="alert">
        {night.problem.value} <button type="button" onClick={() => void night.read()}>Try again</button>
      </p>
    );
  }
  if (total === null) return <ul class="grid" aria-busy="true" aria-label="Frames">{Array.from({ length: 12 }, (_, place) => <li key={place} class="tile blank" />)}</ul>;
  if (frames.length === 0) return <p>No frames of {site} {day === "" ? "yet" : `in the night of ${day}`}: they appear here as they arrive.</p>;
  return (
    <>
      <p class="count" role="status">{Math.max(total, frames.length)} frames</p>
      <Chosen
        frames={frames.filter((frame) => chosen.has(frame.basename))}
        all={() => setChosen(new Set(frames.map((frame) => frame.basename)))}
        none={() => setChosen(new Set())}
      />
      <ul class="grid" aria-label="Frames">
        {frames.map((frame) => <FrameTile key={frame.basename} frame={frame} chosen={chosen.has(frame.basename)} toggle={toggle} />)}
      </ul>
      {frames.length < total && <button type="button" onClick={() => void night.read(true)}>Show more</button>}
    </>
  );
}

/** What can be done with frames that were chosen. */
function Chosen({ frames, all, none }: { frames: readonly Frame[]; all: () => void; none: () => void }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [, go] = useLocation();

  async function create(event: SubmitEvent) {
    event.preventDefault();
    try {
      const made = await createSession(name.trim() || (frames[0]?.target_name ?? "") || "Session", frames);
      go(`/session/${made.id}`);
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  return (
    <form class="choice" onSubmit={(event) => void create(event)} aria-label="Chosen frames">
      <button type="button" onClick={all}>Choose all</button>
      <button type="button" disabled={frames.length === 0} onClick={none}>None</button>
      <label>
        New session of {frames.length} frames
        <input value={name} placeholder={frames[0]?.target_name || "its name"} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button type="submit" class="first" disabled={frames.length === 0}>Create</button>
      <small class="problem" role="alert">{problem}</small>
    </form>
  );
}

function FrameTile({ frame, chosen, toggle }: { frame: Frame; chosen: boolean; toggle: (name: string) => void }) {
  const picture = frame.thumbnails?.find((each) => each.url)?.url;
  return (
    <li class={chosen ? "tile chosen" : "tile"}>
      <input type="checkbox" class="mark" checked={chosen} aria-label={`Choose ${frame.basename}`} onChange={() => toggle(frame.basename)} />
      {picture === undefined
        ? <div class="picture none">no picture yet</div>
        : <img class="picture" src={picture} alt="" loading="lazy" decoding="async" />}
      <Link class="title" href={`/image/archive/${encodeURIComponent(frame.basename)}`}>{frame.target_name || frame.basename}</Link>
      <span class="detail">{[frame.primary_optical_element, frame.exposure_time === null ? "" : `${frame.exposure_time} s`].filter(Boolean).join(" · ")}</span>
      <time class="detail" dateTime={frame.observation_date ?? ""}>{utc(frame.observation_date)}</time>
    </li>
  );
}

function EmptyArchive() {
  return (
    <section>
      <h1>Nothing has arrived yet</h1>
      <p>
        Frames appear here as observatories send them. Bring in files of your own with the button above, or a whole folder: <code>datalab upload *.fits</code>
      </p>
    </section>
  );
}
