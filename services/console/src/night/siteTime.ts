/**
 * The clocks of sites, as far as their configurations tell (`/all/config`).
 *
 * A night is named by the day it begins on, and lasts from noon to noon of the site's clocks.
 */
export interface SiteClock {
  /** Returns by how much clocks there are ahead of UTC at an instant, in ms. */
  offsetMs(instant: number): number;
  /** `local` for clocks of a time zone, `solar` for mean solar time. */
  kind: "local" | "solar";
}

type Configuration = { [key: string]: unknown };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Returns the clocks of each site that says where it is; observatories have those of their enclosure. */
export function siteClocks(configurations: Readonly<Record<string, Configuration>>): ReadonlyMap<string, SiteClock> {
  const clocks = new Map<string, SiteClock>();
  for (const [site, own] of Object.entries(configurations)) {
    const enclosure = configurations[String(own["wema_name"])] ?? {};
    const said = (key: string) => own[key] ?? enclosure[key];
    const clock = zoneClock(said("TZ_database_name")) ?? solarClock(said("longitude"));
    if (clock !== null) clocks.set(site, clock);
  }
  return clocks;
}

/** Returns the clocks of a zone of the IANA, null if there is none of this name. */
export function zoneClock(zone: unknown): SiteClock | null {
  if (typeof zone !== "string" || zone === "") return null;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  } catch {
    return null;
  }
  const known = new Map<number, number>();
  return {
    kind: "local",
    offsetMs(instant) {
      const hour = Math.floor(instant / HOUR_MS); // zones change on the hour, as far as hours matter here
      let offset = known.get(hour);
      if (offset === undefined) {
        const whole = Math.floor(instant / 1000) * 1000;
        offset = Date.parse(`${format.format(whole).replace(" ", "T")}Z`) - whole;
        known.set(hour, offset);
      }
      return offset;
    },
  };
}

/** Returns mean solar time at a longitude, in degrees to the east; null for what is none. */
export function solarClock(longitude: unknown): SiteClock | null {
  const degrees = typeof longitude === "string" && longitude.trim() !== "" ? Number(longitude) : longitude;
  if (typeof degrees !== "number" || !(Math.abs(degrees) <= 360)) return null;
  const east = ((((degrees + 180) % 360) + 360) % 360) - 180;
  return { kind: "solar", offsetMs: () => (east / 15) * HOUR_MS };
}

/** Returns the night of an instant, `YYYY-MM-DD`. */
export function nightOf(instant: number, clock: SiteClock): string {
  return new Date(instant + clock.offsetMs(instant) - DAY_MS / 2).toISOString().slice(0, 10);
}

/** Returns the first and the last millisecond of a night; null for what is no day. */
export function nightSpan(day: string, clock: SiteClock): [number, number] | null {
  const noon = Date.parse(`${day}T12:00:00Z`);
  if (Number.isNaN(noon)) return null;
  const at = (wall: number) => wall - clock.offsetMs(wall - clock.offsetMs(wall));
  return [at(noon), at(noon + DAY_MS) - 1];
}

/** Returns the time of day there, `23:05 local`; with its day if that is not the one in UTC. */
export function localTime(instant: number, clock: SiteClock): string {
  const there = new Date(instant + clock.offsetMs(instant)).toISOString();
  const sameDay = there.slice(0, 10) === new Date(instant).toISOString().slice(0, 10);
  return `${sameDay ? "" : `${there.slice(5, 10)} `}${there.slice(11, 16)} ${clock.kind}`;
}

/** Returns an instant of the API, which is in UTC; null for none. */
export function instantOf(text: string | null | undefined): number | null {
  if (!text) return null;
  const instant = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(instant) ? null : instant;
}
