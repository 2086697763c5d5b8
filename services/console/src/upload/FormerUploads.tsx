import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { answered, api } from "../api/client";
import { problemOf, utc } from "../words";
import type { UploadView } from "./sending";

/** So many are read; who sent more finds the frames in the archive. */
const MOST = 100;

/** What became of files that were sent before, also from other pages and by the command line. Read when it is opened. */
export function FormerUploads() {
  const [uploads, setUploads] = useState<readonly UploadView[] | null>(null);
  const [refusedOnly, setRefusedOnly] = useState(false);
  const [problem, setProblem] = useState("");

  function opened(event: Event) {
    if (!(event.currentTarget as HTMLDetailsElement).open) return;
    answered(api.GET("/api/frames/upload", { params: { query: { limit: String(MOST) } } }))
      .then((page) => {
        setUploads(page.results);
        setProblem("");
      })
      .catch((error: unknown) => setProblem(problemOf(error)));
  }

  const shown = uploads?.filter((each) => !refusedOnly || each.state === "refused") ?? [];
  return (
    <details class="former" onToggle={opened}>
      <summary>Files sent before</summary>
      <p class="problem" role="alert">{problem}</p>
      {uploads === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {uploads !== null && (
        <label class="tick">
          <input type="checkbox" checked={refusedOnly} onChange={(event) => setRefusedOnly(event.currentTarget.checked)} />
          Refused only
        </label>
      )}
      {uploads !== null && shown.length === 0 && <p>{refusedOnly ? "None was refused." : "You have sent no files yet."}</p>}
      {shown.length > 0 && (
        <ul class="sent" aria-label="Files sent before">
          {shown.map((each) => (
            <li key={each.id} class={each.state}>
              <span class="file-name">{each.file_name}</span>
              <time class="detail" dateTime={each.created}>{utc(each.created)}</time>
              <Fate upload={each} />
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}

function Fate({ upload }: { upload: UploadView }) {
  switch (upload.state) {
    case "ingested":
      return upload.frame === null ? <span>was taken</span> : <span>is the frame <Link href={`/image/archive/${encodeURIComponent(upload.frame)}`}>{upload.frame}</Link></span>;
    case "refused":
      return <span class="problem">Refused: {upload.reason ?? "the archive does not say why"}</span>;
    case "stored":
      return <span>has arrived, is looked at</span>;
    default:
      return <span>lacks {upload.missing.length} of {upload.part_count} parts: choose the file again, and only those are sent</span>;
  }
}
