import type { RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Frame } from "../api/client";
import { utc } from "../words";
import { choose, chosen } from "./chosen";
import { described } from "./Filters";
import { FramePicture } from "./FramePicture";
import type { FrameGroup } from "./groups";
import { laidOut, type Measures, rowsBetween } from "./layout";
import { instantOf, localTime, type SiteClock } from "./siteTime";
import { useAnchor, useSight, useWidth } from "./useSight";

/** Least width of a tile, what is between two, and the heights of its text and of a heading, in rem (`style.css`). */
const TILE_REM = 10.5;
const GAP_REM = 0.75;
const TEXT_REM = 4.85;
const CLOCK_REM = 1.35;
const HEADING_REM = 3;

interface Props {
  groups: readonly FrameGroup[];
  clocks: ReadonlyMap<string, SiteClock>;
  above: RefObject<HTMLElement>;
  /** Called when the end of the list comes near. */
  end: () => void;
}

/** Frames as pictures, by site and night; only those near the window are drawn. */
export function FrameGrid({ groups, clocks, above, end }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [from, until] = useSight(place);
  const withClocks = clocks.size > 0;
  const measures = useMemo(() => measured(width, TEXT_REM + (withClocks ? CLOCK_REM : 0)), [width, withClocks]);
  const layout = useMemo(() => laidOut(groups.map((group) => group.frames.length), measures), [groups, measures]);
  const shown = useMemo(() => groups.flatMap((group) => group.frames), [groups]);
  const where = useMemo(() => {
    const places = new Map<string, { group: number; index: number }>();
    groups.forEach((group, number) => group.frames.forEach((frame, index) => places.set(frame.basename, { group: number, index })));
    return places;
  }, [groups]);

  const topOf = (name: string): number | null => {
    const found = where.get(name);
    const group = found && layout.places[found.group];
    return group ? group.top + measures.heading + Math.floor(found.index / measures.columns) * measures.row : null;
  };
  const at = (height: number): string | null => {
    const after = layout.places.findIndex((group) => group.top > height);
    const number = (after < 0 ? layout.places.length : after) - 1;
    const group = layout.places[number];
    if (group === undefined) return null;
    const row = Math.min(Math.max(0, Math.floor((height - group.top - measures.heading) / measures.row)), group.rows - 1);
    return groups[number]?.frames[row * measures.columns]?.basename ?? null;
  };
  useAnchor(place, above, at, topOf);

  useEffect(() => {
    if (width > 0 && layout.height < until) end();
  }, [width, layout.height, until]);

  function keyPressed(event: KeyboardEvent) {
    const tile = (event.target as HTMLElement).closest<HTMLElement>("[data-frame]");
    const found = tile && where.get(tile.dataset["frame"] ?? "");
    if (!tile || !found || event.ctrlKey || event.metaKey || event.altKey) return;
    const frame = groups[found.group]?.frames[found.index];
    if (frame !== undefined && event.key === " " && (event.shiftKey || event.target instanceof HTMLAnchorElement)) {
      event.preventDefault();
      choose(frame, event.shiftKey, shown);
      return;
    }
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -measures.columns, ArrowDown: measures.columns };
    const step = steps[event.key];
    const next = step === undefined || frame === undefined ? undefined : shown[shown.indexOf(frame) + step];
    if (next === undefined) return;
    event.preventDefault();
    goTo(next.basename, event.target instanceof HTMLInputElement ? "input" : "a");
  }

  /** Brings a frame into sight, where it is drawn, and gives it the focus. */
  function goTo(name: string, part: "input" | "a") {
    const top = topOf(name);
    const element = place.current;
    if (top === null || element === null) return;
    const inWindow = element.getBoundingClientRect().top + top;
    const bar = 4 * rem();
    if (inWindow < bar) scrollBy({ top: inWindow - bar, behavior: "instant" });
    else if (inWindow + measures.row > innerHeight) scrollBy({ top: inWindow + measures.row - innerHeight, behavior: "instant" });
    const focus = (tries: number) => {
      const found = element.querySelector<HTMLElement>(`[data-frame="${CSS.escape(name)}"] ${part}`);
      if (found !== null) found.focus({ preventScroll: true });
      else if (tries > 0) requestAnimationFrame(() => focus(tries - 1));
    };
    focus(10);
  }

  return (
    <div ref={place} class="frames" onKeyDown={keyPressed} style={{ height: `${layout.height}px` }}>
      {width > 0 && groups.map((group, number) => {
        const spot = layout.places[number];
        if (spot === undefined || spot.top > until || spot.top + measures.heading + spot.rows * measures.row < from) return null;
        const [first, last] = rowsBetween(spot, measures, from, until);
        const title = `${group.night === "" ? "Night unknown" : `Night of ${group.night}`}${group.site === "" ? "" : ` · ${group.site}`}`;
        return (
          <section key={group.key} class="group" aria-label={title} style={{ top: `${spot.top}px` }}>
            <h2>{title} <small>{group.frames.length} frames</small></h2>
            <ul
              class="grid"
              aria-label={`Frames, ${title}`}
              style={{
                gridTemplateColumns: `repeat(${measures.columns}, minmax(0, 1fr))`,
                gridAutoRows: `${measures.row - GAP_REM * rem()}px`,
                paddingTop: `${first * measures.row}px`,
                height: `${spot.rows * measures.row}px`,
              }}
            >
              {group.frames.slice(first * measures.columns, last * measures.columns).map((frame, index) => (
                <FrameTile
                  key={frame.basename}
                  frame={frame}
                  clock={clocks.get(frame.site_id)}
                  chosen={chosen.value.has(frame.basename)}
                  toggle={(range) => choose(frame, range, shown)}
                  place={first * measures.columns + index + 1}
                  of={group.frames.length}
                />
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

const rem = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;

function measured(width: number, text: number): Measures {
  const gap = GAP_REM * rem();
  const columns = Math.max(1, Math.floor((width + gap) / (TILE_REM * rem() + gap)));
  const tile = (width - gap * (columns - 1)) / columns;
  return { columns, row: Math.round(0.75 * tile + text * rem() + gap), heading: HEADING_REM * rem() };
}

interface TileProps {
  frame: Frame;
  clock: SiteClock | undefined;
  chosen: boolean;
  toggle: (range: boolean) => void;
  place: number;
  of: number;
}

function FrameTile({ frame, clock, chosen: marked, toggle, place, of }: TileProps) {
  const instant = instantOf(frame.observation_date);
  return (
    <li class={marked ? "tile chosen" : "tile"} data-frame={frame.basename} aria-posinset={place} aria-setsize={of}>
      <input type="checkbox" class="mark" checked={marked} aria-label={`Choose ${frame.basename}`} onClick={(event) => toggle(event.shiftKey)} />
      <FramePicture frame={frame} />
      <Link
        class="title"
        href={`/image/archive/${encodeURIComponent(frame.basename)}`}
        onClick={(event: MouseEvent) => {
          if (!event.shiftKey) return;
          event.preventDefault();
          toggle(true);
        }}
      >
        {frame.target_name || frame.basename}
      </Link>
      <span class="detail">{described(frame)}</span>
      <time class="detail" dateTime={frame.observation_date ?? ""} title={utc(frame.observation_date)}>{frame.observation_date ? utc(frame.observation_date).slice(5) : "time unknown"}</time>
      {clock !== undefined && instant !== null && <span class="detail">{localTime(instant, clock)}</span>}
    </li>
  );
}
