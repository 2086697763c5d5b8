import { useEffect, useState } from "preact/hooks";
import { answered, api, type Frame } from "../api/client";

/** What the archive knows of a frame. */
export function FrameFacts({ basename }: { basename: string }) {
  const [frame, setFrame] = useState<Frame | null>(null);
  useEffect(() => {
    answered(api.GET("/api/frames", { params: { query: { basename_exact: basename } } }))
      .then((page) => setFrame(page.results[0] ?? null))
      .catch(() => setFrame(null));
  }, [basename]);
  if (frame === null) return null;
  const facts: [string, string | null][] = [
    ["Target", frame.target_name],
    ["Filter", frame.primary_optical_element],
    ["Exposure", frame.exposure_time === null ? null : `${frame.exposure_time} s`],
    ["Begun", frame.observation_date],
    ["Site", frame.site_id],
    ["Telescope", frame.telescope_id],
    ["Camera", frame.instrument_id],
    ["Kind", frame.configuration_type],
    ["Proposal", frame.proposal_id],
  ];
  return (
    <dl class="facts">
      {facts.filter(([, fact]) => fact).map(([name, fact]) => <div key={name}><dt>{name}</dt><dd>{fact}</dd></div>)}
    </dl>
  );
}
