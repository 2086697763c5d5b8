import { useEffect, useMemo, useState } from "preact/hooks";
import { answered, api, type Frame } from "../api/client";
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
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  }, []);

  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  if (sites === null) return <p class="waiting" role="status">Looking for sites …</p>;
  if (site === "") return <EmptyArchive />;
  return (
    <>
      <form class="choice" onSubmit={(event) => event.preventDefault()}>
        <label>
          Site
          <select value={site} onChange={(event) => setSite(event.currentTarget.value)}>
            {sites.map((each) => <option key={each}>{each}</option>)}
          </select>
        </label>
        <label>
          Night
          <input type="date" value={day} onChange={(event) => setDay(event.currentTarget.value)} />
        </label>
      </form>
      <Frames key={`${site} ${day}`} site={site} day={day} />
    </>
  );
}

function Frames({ site, day }: { site: string; day: string }) {
  const night = useMemo(() => new NightFrames({ site, day }), [site, day]);
  useEffect(() => () => night.close(), [night]);
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
      <ul class="grid" aria-label="Frames">
        {frames.map((frame) => <FrameTile key={frame.basename} frame={frame} />)}
      </ul>
      {frames.length < total && <button type="button" onClick={() => void night.read(true)}>Show more</button>}
    </>
  );
}

function FrameTile({ frame }: { frame: Frame }) {
  const picture = frame.thumbnails?.find((each) => each.url)?.url;
  const when = frame.observation_date?.replace("T", " ").slice(0, 19) ?? "time unknown";
  return (
    <li class="tile">
      {picture === undefined
        ? <div class="picture none">no picture yet</div>
        : <img class="picture" src={picture} alt="" loading="lazy" decoding="async" />}
      <strong class="title">{frame.target_name || frame.basename}</strong>
      <span class="detail">{[frame.primary_optical_element, frame.exposure_time === null ? "" : `${frame.exposure_time} s`].filter(Boolean).join(" · ")}</span>
      <time class="detail" dateTime={frame.observation_date ?? ""}>{when} UTC</time>
    </li>
  );
}

function EmptyArchive() {
  return (
    <section>
      <h1>Nothing has arrived yet</h1>
      <p>
        Frames appear here as observatories send them. To bring in a folder of your own: <code>datalab upload *.fits</code>
      </p>
    </section>
  );
}
