import { useEffect, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { instantOf, localTime, nightSpan, type SiteClock } from "./siteTime";

/** The events of a night that are shown: what they are called by `/events`, and here. */
const SHOWN = [
  ["Sun Set", "Sunset"],
  ["Astro Dark", "dark from"],
  ["End Astro Dark", "dark until"],
  ["Sunrise", "sunrise"],
] as const;
const HOUR_MS = 3_600_000;

interface Props {
  site: string;
  /** Empty for the night there is. */
  night: string;
  clock: SiteClock;
}

/** When the Sun sets and rises in a night, and how it is now; nothing where that is not known. */
export function SunLine({ site, night, clock }: Props) {
  const [events, setEvents] = useState<Readonly<Record<string, unknown>> | null>(null);
  const span = night === "" ? null : nightSpan(night, clock);
  const when = span === null ? null : span[0] + HOUR_MS;
  useEffect(() => {
    let gone = false;
    setEvents(null);
    const query = { site, format: "iso" as const, ...(when === null ? {} : { when: when / 1000 }) };
    answered(api.GET("/events", { params: { query } as never }))
      .then((told) => !gone && setEvents(told as Record<string, unknown>))
      .catch(() => undefined); // the site does not say where it is
    return () => {
      gone = true;
    };
  }, [site, when]);

  if (events === null) return <p class="sun">&nbsp;</p>;
  const instants = SHOWN.map(([name, title]) => ({ title, instant: typeof events[name] === "string" ? instantOf(events[name]) : null }));
  const [set, dark, light, rise] = instants.map(({ instant }) => instant);
  const now = Date.now();
  const between = (from: number | null | undefined, until: number | null | undefined) => from != null && until != null && now >= from && now < until;
  const state = between(dark, light) ? "It is night there now." : between(set, rise) ? "It is twilight there now." : "The Sun is up there now.";
  return (
    <p class="sun">
      {instants.filter(({ instant }) => instant !== null).map(({ title, instant }) => (
        <span key={title}>
          {title} <strong>{new Date(instant ?? 0).toISOString().slice(11, 16)} UTC</strong> <span class="hint">({localTime(instant ?? 0, clock)})</span>
        </span>
      ))}
      {night === "" && set != null && rise != null && <span>{state}</span>}
    </p>
  );
}
