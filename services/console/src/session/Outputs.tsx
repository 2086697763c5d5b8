import { Link } from "wouter-preact";
import type { InputImage, OutputFile } from "../api/sessions";

interface OutputsProps {
  files: readonly OutputFile[];
  /** Those of them that operations can be given. */
  images: readonly InputImage[];
  /** Begins an operation with images; null for who may not. */
  use: ((images: readonly InputImage[]) => void) | null;
}

/** What an operation has made, as pictures; a click uses them for the next operation. */
export function Outputs({ files, images, use }: OutputsProps) {
  if (files.length === 0) return null;
  return (
    <>
      {use !== null && images.length > 1 && <p><button type="button" onClick={() => use(images)}>Use all {images.length} as input</button></p>}
      <ul class={files.length > 6 ? "strip" : "strip large"}>
        {files.map((file) => {
          const image = images.find((each) => each.basename === file.basename);
          return (
            <li key={file.basename}>
              <Shown file={file} />
              <small>
                {DOWNLOADS.map(([kind, key]) => {
                  const link = file[key];
                  return link ? <a key={kind} class="file" href={link} download aria-label={`${kind} of ${file.basename}`}>{kind}</a> : null;
                })}
              </small>
              {use !== null && image !== undefined && <button type="button" aria-label={`Use as input: ${file.basename}`} onClick={() => use([image])}>Use as input</button>}
              {file.notes.length > 0 && <ul class="notes">{file.notes.map((note) => <li key={note}>{note}</li>)}</ul>}
            </li>
          );
        })}
      </ul>
    </>
  );
}

const DOWNLOADS = [["FITS", "fits_url"], ["TIFF", "tif_url"], ["JPEG", "large_url"]] as const;

function Shown({ file }: { file: OutputFile }) {
  const picture = (
    <>
      {file.small_url ? <img src={file.large_url ?? file.small_url} alt={`Output ${file.basename}`} loading="lazy" /> : <span class="picture none">no picture</span>}
      <span title={file.basename}>{file.basename}</span>
    </>
  );
  if (file.type === "fits") return <Link href={`/image/datalab/${encodeURIComponent(file.basename)}`}>{picture}</Link>;
  return file.large_url ? <a href={file.large_url} target="_blank" rel="noreferrer">{picture}</a> : <div>{picture}</div>;
}
