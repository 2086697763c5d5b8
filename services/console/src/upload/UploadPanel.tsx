import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { FormerUploads } from "./FormerUploads";
import { inProgress, type SentFile, uploads } from "./uploads";

/** Takes files that are chosen, or dropped anywhere on the page, and shows what becomes of each. */
export function UploadPanel() {
  const chooser = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const files = uploads.files.value;

  useEffect(() => {
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const dragged = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      event.preventDefault(); // else the browser opens the file
      setOver(true);
    };
    const left = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const dropped = (event: DragEvent) => {
      setOver(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      uploads.add(event.dataTransfer?.files ?? []);
    };
    addEventListener("dragover", dragged);
    addEventListener("dragleave", left);
    addEventListener("drop", dropped);
    return () => {
      removeEventListener("dragover", dragged);
      removeEventListener("dragleave", left);
      removeEventListener("drop", dropped);
    };
  }, []);

  const underWay = files.filter((each) => each.outcome === null).length;
  const refused = files.some((each) => each.outcome?.state === "refused");
  const ended = files.some((each) => each.outcome !== null && each.outcome.state !== "failed");
  return (
    <section class={over ? "upload over" : "upload"} aria-label="Upload">
      <div class="heading">
        <button type="button" onClick={() => chooser.current?.click()}>Upload files …</button>
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          aria-label="Files to upload"
          onChange={(event) => {
            uploads.add(event.currentTarget.files ?? []);
            event.currentTarget.value = "";
          }}
        />
        <span class="hint">{over ? "Let go to upload." : "FITS files; or drop them on this page. They are yours alone."}</span>
        <span class="grow" />
        <span class="count" role="status">{files.length > 0 && (underWay > 0 ? `${underWay} of ${files.length} under way` : `${files.length} done`)}</span>
        {ended && <button type="button" class="quiet" onClick={() => uploads.removeEnded()}>Clear the list</button>}
      </div>
      {files.length > 0 && <ul class="sent" aria-label="Files sent">{files.map((each) => <Sent key={each.number} sent={each} />)}</ul>}
      {refused && <p class="hint">Taken are FITS files with an image, as they are or packed (.fz, .gz, .bz2); what a header says wrongly is noted with the frame, and no reason to refuse it.</p>}
      <FormerUploads />
    </section>
  );
}

function Sent({ sent }: { sent: SentFile }) {
  const { number, file, step, outcome } = sent;
  const arrived = step === null || step.phase === "reading" ? 0 : step.part;
  return (
    <li class={outcome === null ? "" : outcome.state}>
      <span class="file-name">{file.name}</span>
      {outcome === null && (
        <>
          <progress max={1} value={arrived} aria-label={`${file.name}, part that has arrived`} />
          <span class="detail">{inProgress(step)}</span>
          <button type="button" aria-label={`Give up ${file.name}`} onClick={() => uploads.remove(number)}>Give up</button>
        </>
      )}
      {outcome?.state === "ingested" && (
        <span>
          is the frame <Link href={`/image/archive/${encodeURIComponent(outcome.frame)}`}>{outcome.frame}</Link>
          {outcome.site !== "" && ` of ${outcome.site}`}
        </span>
      )}
      {outcome !== null && outcome.state !== "ingested" && (
        <>
          <span class="problem" role="alert">{outcome.state === "refused" ? "Refused: " : ""}{outcome.reason}</span>
          {outcome.state === "failed" && (
            <>
              <button type="button" aria-label={`Try again to send ${file.name}`} onClick={() => uploads.again(number)}>Try again</button>
              <button type="button" aria-label={`Give up ${file.name}`} onClick={() => uploads.remove(number)}>Give up</button>
            </>
          )}
        </>
      )}
    </li>
  );
}
