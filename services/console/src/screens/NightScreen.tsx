import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, question as asked } from "../address";
import { answered, api } from "../api/client";
import { chooseAll, chosen } from "../night/chosen";
import { ChosenFrames } from "../night/ChosenFrames";
import { type Aggregate, Filters } from "../night/Filters";
import { FrameGrid } from "../night/FrameGrid";
import { FrameTable } from "../night/FrameTable";
import { groupsOf } from "../night/groups";
import { MOST_KEPT } from "../night/nightFrames";
import { liveNight } from "../night/liveNight";
import { addressOf, byTime, type NightQuestion, type Order, queryOf, questionIn } from "../night/nightQuestion";
import { type SiteClock, siteClocks } from "../night/siteTime";
import { SunLine } from "../night/SunLine";
import { UploadPanel } from "../upload/UploadPanel";
import { uploads } from "../upload/uploads";
import { problemOf } from "../words";

/** New sites, filters and the like are looked for so often: the feed tells of sites by name only. */
const LOOK_MS = 15_000;
/** So far one may scroll before what arrives waits. */
const LOOKING_PX = 60;

/** What was asked for, and how far one had scrolled, when another screen was opened. */
const left = { address: "/", scrolled: 0 };

/** Frames as they arrive, by site and night; and any frames of the archive. */
export function NightScreen() {
  const question = useMemo(() => questionIn(asked.value), [asked.value]);
  const change = (changed: Partial<NightQuestion>) => go(addressOf({ ...question, ...changed }), { replace: true });
  const { clocks, known } = useSites();
  const { values, sites, problem, again } = useValues(question.site);
  useEffect(() => {
    if (addressOf(question) === "/" && left.address !== "/") go(left.address, { replace: true });
    else scrollSoon(left.scrolled);
  }, []);
  useEffect(() => {
    left.address = addressOf(question);
  }, [question]);

  if (problem !== "" && values === null) {
    return <p class="problem" role="alert">{problem} <button type="button" onClick={again}>Try again</button></p>;
  }
  if (sites === null || clocks === null) return <p class="waiting" role="status">Looking for sites …</p>;
  return (
    <>
      <h1 class="unseen">Night</h1>
      <Frames question={question} change={change} clocks={clocks} sites={sites} known={known} values={values} />
    </>
  );
}

/** Scrolls there as soon as the page is so long. */
function scrollSoon(top: number, tries = 20): void {
  if (top === 0 || tries === 0) return;
  scrollTo({ top, behavior: "instant" });
  if (Math.abs(scrollY - top) > 1) requestAnimationFrame(() => scrollSoon(top, tries - 1));
}

/** The clocks of the sites, and the sites that say of themselves how they are. */
function useSites(): { clocks: ReadonlyMap<string, SiteClock> | null; known: readonly string[] } {
  const [found, setFound] = useState<{ clocks: ReadonlyMap<string, SiteClock> | null; known: readonly string[] }>({ clocks: null, known: [] });
  useEffect(() => {
    answered(api.GET("/all/config"))
      .then((configurations) => setFound({ clocks: siteClocks(configurations), known: Object.keys(configurations) }))
      .catch(() => setFound({ clocks: new Map(), known: [] })); // times are in UTC alone
  }, []);
  return found;
}

/** What frames of a site have for values, and all the sites. */
function useValues(site: string) {
  const [values, setValues] = useState<Aggregate | null>(null);
  const [found, setFound] = useState<readonly string[] | null>(null);
  const [problem, setProblem] = useState("");
  const [tries, setTries] = useState(0);

  useEffect(() => {
    let gone = false;
    const look = async () => {
      try {
        const all = await answered(api.GET("/api/frames/aggregate"));
        const theirs = site === "" ? all : await answered(api.GET("/api/frames/aggregate", { params: { query: { site_id: site } } }));
        if (gone) return;
        setFound(all.sites ?? []);
        setValues(theirs);
        setProblem("");
      } catch (error) {
        if (!gone) setProblem(problemOf(error));
      }
    };
    void look();
    const timer = setInterval(() => document.visibilityState === "visible" && void look(), LOOK_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [site, tries]);

  const sent = uploads.sites.value;
  const sites = useMemo(() => (found === null ? null : [...new Set([...found, ...sent, ...(site === "" ? [] : [site])])].sort()), [found, sent, site]);
  return { values, sites, problem, again: () => setTries(tries + 1) };
}

interface Props {
  question: NightQuestion;
  change: (changed: Partial<NightQuestion>) => void;
  clocks: ReadonlyMap<string, SiteClock>;
  sites: readonly string[];
  /** Sites that say how they are, also those of which there is no frame yet. */
  known: readonly string[];
  values: Aggregate | null;
}

function Frames({ question, change, clocks, sites, known, values }: Props) {
  const above = useRef<HTMLDivElement>(null);
  const clock = clocks.get(question.site);
  const night = useMemo(() => liveNight(question, queryOf(question, clock)), [addressOf(question), clock]);
  const listened = question.site === "" ? [...sites, ...known] : [question.site];
  useEffect(() => night.listenTo(listened), [night, listened.join(" ")]);
  useHold((held) => night.hold(held), night);

  const frames = night.frames.value;
  const total = night.total.value;
  const groups = useMemo(() => (byTime(question) ? groupsOf(frames, clocks) : [{ key: "", site: question.site, night: question.night, frames }]), [frames, clocks, question]);
  const inOrder = useMemo(() => (question.table ? frames : groups.flatMap((group) => group.frames)), [question.table, frames, groups]);

  async function all() {
    while (await night.readMore()) {
      // until all are known, or as many as a page keeps
    }
    chooseAll(night.frames.value);
    if (night.problem.value !== "") throw new Error(night.problem.value);
  }

  function sort(order: Order) {
    change(question.order === order ? { ascending: !question.ascending } : { order, ascending: order !== "observation_date" });
  }

  function showNew() {
    scrollTo({ top: 0, behavior: "instant" });
    void night.read();
  }

  const more = () => void (night.problem.value === "" && night.readMore());
  return (
    <>
      <div ref={above}>
        <UploadPanel />
        <Filters question={question} change={change} sites={sites} values={values} />
        {clock !== undefined && <SunLine site={question.site} night={question.night} clock={clock} />}
        <Told night={night} />
        <div class="heading">
          <p class="count" role="status">{total === null ? "Reading …" : `${total} frames`}</p>
          {frames.length > 0 && <span class="hint keys">With Shift, a range is chosen; arrow keys and the space bar do it, too.</span>}
          {total !== null && total > MOST_KEPT && <span class="hint">The first {MOST_KEPT} can be shown: ask for less to see the others.</span>}
        </div>
        {frames.length > 0 && <ChosenFrames all={all} />}
      </div>
      <p class="arrived" role="status">
        {night.waiting.value > 0 && <button type="button" class="first" onClick={showNew}>{night.waiting.value} new {night.waiting.value === 1 ? "frame" : "frames"}: show</button>}
      </p>
      {total === null && night.problem.value === "" && (
        <ul class="grid blank" aria-busy="true" aria-label="Frames">{Array.from({ length: 12 }, (_, place) => <li key={place} class="tile blank" />)}</ul>
      )}
      {total !== null && frames.length === 0 && night.problem.value === "" && <Nothing question={question} change={change} />}
      {frames.length > 0 && (question.table
        ? <FrameTable frames={inOrder} clocks={clocks} question={question} sort={sort} above={above} end={more} />
        : <FrameGrid groups={groups} clocks={clocks} above={above} end={more} />)}
      {total !== null && frames.length > 0 && frames.length < Math.min(total, MOST_KEPT) && (
        <button type="button" onClick={() => void night.readMore()}>Show more</button>
      )}
    </>
  );
}

/** Says whether what arrives shall wait: while somebody looks further down, or chooses. */
function useHold(hold: (held: boolean) => void, of: unknown): void {
  const choosing = chosen.value.size > 0;
  useEffect(() => {
    const look = () => {
      left.scrolled = scrollY;
      hold(choosing || scrollY > LOOKING_PX);
    };
    look();
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, [of, choosing]);
}

/** What went wrong, what was not told, and files that were refused. */
function Told({ night }: { night: ReturnType<typeof liveNight> }) {
  const refusals = night.refusals.value;
  return (
    <>
      {night.problem.value !== "" && (
        <p class="problem" role="alert">{night.problem.value} <button type="button" onClick={() => void night.read()}>Try again</button></p>
      )}
      {night.gap.value && (
        <p role="status">
          This page was away for so long that not all that happened was told. The list was read anew.{" "}
          <button type="button" class="quiet" onClick={() => (night.gap.value = false)}>Good</button>
        </p>
      )}
      {refusals.length > 0 && (
        <details class="refusals">
          <summary>{refusals.length} files of sites were refused just now</summary>
          <ul>{refusals.map(({ key, reason }) => <li key={key}><code>{key}</code> {reason}</li>)}</ul>
        </details>
      )}
    </>
  );
}

function Nothing({ question, change }: { question: NightQuestion; change: (changed: Partial<NightQuestion>) => void }) {
  const plain = addressOf({ ...question, table: false }) === "/";
  if (plain) {
    return (
      <section>
        <h2>Nothing has arrived yet</h2>
        <p>
          Frames appear here as observatories send them. Bring in files of your own with the button above, or a whole folder: <code>datalab upload *.fits</code>
        </p>
      </section>
    );
  }
  return (
    <p>
      No frames {question.site === "" ? "" : `of ${question.site} `}{question.night === "" ? "" : `in the night of ${question.night} `}that fit: they appear here as they arrive.{" "}
      <button type="button" class="quiet" onClick={() => change(questionIn(new URLSearchParams()))}>Show all frames</button>
    </p>
  );
}
