import { useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { utc } from "../words";
import { usePolled } from "./polled";
import { sizeOf, type Upload, uploadsShown } from "./words";

/** All of the last days are read, up to 10,000 files. */
const AGAIN_MS = 30_000;
const PAGE = 50;

async function uploads(): Promise<Upload[]> {
  return (await answered(api.GET("/recentuploads", { params: { query: { site: "all" } } }))) as Upload[];
}

/** Files that came in, and why those were refused that were. */
export function Uploads() {
  const { value: all, problem } = usePolled(uploads, AGAIN_MS);
  const [site, setSite] = useState("");
  const [refused, setRefused] = useState(true);
  const [most, setMost] = useState(PAGE);
  const found = all === null ? [] : uploadsShown(all, { site, refused });
  return (
    <section aria-labelledby="uploads">
      <h2 id="uploads">Uploads</h2>
      <div class="choice">
        <label>Of site <input value={site} autocomplete="off" placeholder="every site" onInput={(event) => setSite(event.currentTarget.value)} /></label>
        <label><input type="checkbox" checked={refused} onChange={(event) => setRefused(event.currentTarget.checked)} /> refused ones only</label>
      </div>
      <p class="problem" role="alert">{problem}</p>
      {all === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {all !== null && <p role="status">{found.length === 0 ? (refused ? "No file was refused lately." : "No file came lately.") : `${found.length} files`}</p>}
      {found.length > 0 && (
        <table class="list stacked">
          <thead>
            <tr><th scope="col">When</th><th scope="col">Site</th><th scope="col">File</th><th scope="col">Size</th><th scope="col">Became</th></tr>
          </thead>
          <tbody>
            {found.slice(0, most).map((upload, place) => (
              <tr key={`${upload.filename} ${upload.upload_timestamp_s} ${place}`}>
                <td data-title="When">{utc(new Date(upload.upload_timestamp_s * 1000).toISOString())}</td>
                <td data-title="Site">{upload.site}</td>
                <td data-title="File">{upload.filename}</td>
                <td data-title="Size">{sizeOf(upload.size_bytes)}</td>
                <td data-title="Became">{upload.reason === undefined ? "taken in" : <span class="bad">{upload.reason}</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {found.length > most && <button type="button" onClick={() => setMost(most + PAGE)}>Show more</button>}
    </section>
  );
}
