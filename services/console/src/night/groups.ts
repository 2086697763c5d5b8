/** Frames by site and night. */
import type { Frame } from "../api/client";
import { instantOf, nightOf, type SiteClock } from "./siteTime";

export interface FrameGroup {
  key: string;
  site: string;
  /** `YYYY-MM-DD`; empty where nothing says when a frame was taken. */
  night: string;
  frames: readonly Frame[];
}

/** Returns the night of a frame: by the clocks of its site, or as its header says. */
export function nightOfFrame(frame: Frame, clock: SiteClock | undefined): string {
  const instant = instantOf(frame.observation_date);
  if (clock !== undefined && instant !== null) return nightOf(instant, clock);
  return frame.observation_day ?? frame.observation_date?.slice(0, 10) ?? "";
}

/** Returns the groups, the latest night first, each in the order that its frames had. */
export function groupsOf(frames: readonly Frame[], clocks: ReadonlyMap<string, SiteClock>): FrameGroup[] {
  const groups = new Map<string, Frame[]>();
  for (const frame of frames) {
    const key = `${nightOfFrame(frame, clocks.get(frame.site_id))} ${frame.site_id}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [frame]);
    else group.push(frame);
  }
  return [...groups]
    .sort(([one], [other]) => other.slice(0, 10).localeCompare(one.slice(0, 10)) || one.localeCompare(other))
    .map(([key, members]) => {
      const [night = "", ...site] = key.split(" ");
      return { key, night, site: site.join(" "), frames: members };
    });
}
