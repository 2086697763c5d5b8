import { useEffect, useRef, useState } from "preact/hooks";
import type { ImageName } from "../api/analysis";
import { answered, api, type Frame } from "../api/client";
import { problemOf } from "../words";
import { type Part, refusal, saveCutout } from "./cutout";
import { FILE_KINDS, type FileKind, madeFile, save } from "./making";
import "./download.css";

interface MenuProps {
  image: ImageName;
  /** Returns the part of the image that is seen; null while there is none. */
  seen: () => Part | null;
}

/** An image as files: as it is stored, unpacked, as pictures, or the part that is seen. */
export function DownloadMenu({ image, seen }: MenuProps) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return;
    const ended = new AbortController();
    const { signal } = ended;
    document.addEventListener("pointerdown", (event) => !place.current?.contains(event.target as Node) && setOpen(false), { signal });
    return () => ended.abort();
  }, [open]);

  return (
    <div
      class="download"
      ref={place}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button type="button" ref={button} aria-expanded={open} onClick={() => setOpen(!open)}>Download</button>
      <div class="download-list" hidden={!open}>
        {open && <StoredFile image={image} />}
        <ul>
          {FILE_KINDS.map((kind) => <MadeFile key={`${image.basename} ${kind.action}`} image={image} kind={kind} />)}
          {(["fits", "jpg"] as const).map((format) => <Cutout key={`${image.basename} ${format}`} image={image} seen={seen} format={format} />)}
        </ul>
      </div>
    </div>
  );
}

/** The file as it is stored: a link, which the browser follows by itself. */
function StoredFile({ image }: { image: ImageName }) {
  const [frame, setFrame] = useState<Frame | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let gone = false;
    answered(api.GET("/api/frames", { params: { query: { basename_exact: image.basename, include_related_frames: false } } }))
      .then(({ results: [found] }) => {
        if (gone) return;
        setFrame(found ?? null);
        if (found === undefined) setProblem("The stored file is not found any more.");
      })
      .catch((error: unknown) => !gone && setProblem(problemOf(error)));
    return () => {
      gone = true;
    };
  }, [image.basename]);
  if (problem !== "") return <p class="problem" role="alert">{problem}</p>;
  if (frame === null) return <p class="waiting">Looking for the stored file …</p>;
  return <p><a href={frame.url} download={frame.filename}>As it is stored: {frame.filename}</a></p>;
}

type Doing = { state: "idle" } | { state: "busy"; message: string } | { state: "done"; link: string } | { state: "failed"; problem: string };

/** Does one thing at a time, which can be given up. */
function useDoing(): [Doing, (work: Work) => void, () => void] {
  const [doing, setDoing] = useState<Doing>({ state: "idle" });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  function begin(work: Work) {
    if (running.current !== null) return;
    const mine = new AbortController();
    running.current = mine;
    setDoing({ state: "busy", message: "" });
    const end = (ended: Doing) => {
      if (mine.signal.aborted) return;
      running.current = null;
      setDoing(ended);
    };
    work((message) => !mine.signal.aborted && setDoing({ state: "busy", message }), mine.signal).then(
      (link) => end({ state: "done", link }),
      (error: unknown) => end({ state: "failed", problem: problemOf(error) }),
    );
  }

  function giveUp() {
    running.current?.abort();
    running.current = null;
    setDoing({ state: "idle" });
  }

  return [doing, begin, giveUp];
}

type Work = (told: (message: string) => void, signal: AbortSignal) => Promise<string>;

/** A button that has something made, and what has become of it. */
function Deed({ label, work }: { label: string; work: Work }) {
  const [doing, begin, giveUp] = useDoing();
  return (
    <li>
      <button type="button" class="quiet" disabled={doing.state === "busy"} onClick={() => begin(work)}>{label}</button>
      <Progress doing={doing} giveUp={giveUp} label={label} />
    </li>
  );
}

function MadeFile({ image, kind }: { image: ImageName; kind: FileKind }) {
  async function made(told: (message: string) => void, signal: AbortSignal): Promise<string> {
    const link = await madeFile(kind, image, told, signal);
    save(link);
    return link;
  }
  return <Deed label={kind.label} work={made} />;
}

function Cutout({ image, seen, format }: MenuProps & { format: "fits" | "jpg" }) {
  async function cut(_: (message: string) => void, signal: AbortSignal): Promise<string> {
    const part = seen();
    if (part === null) throw new Error("The image is not open.");
    const reason = refusal(part);
    if (reason !== "") throw new Error(reason);
    await saveCutout(image, part, format, signal);
    return "";
  }
  return <Deed label={`What is seen, as ${format === "fits" ? "FITS" : "JPEG"}`} work={cut} />;
}

function Progress({ doing, giveUp, label }: { doing: Doing; giveUp: () => void; label: string }) {
  return (
    <span class="doing">
      {doing.state === "busy" && (
        <>
          <progress aria-label={`${label} is being made`} />
          <button type="button" class="quiet" onClick={giveUp}>Give up</button>
        </>
      )}
      <span role="status" class="detail">
        {doing.state === "busy" ? doing.message || "It is being made …" : doing.state === "done" ? "The browser saves it." : ""}
      </span>
      {doing.state === "done" && doing.link !== "" && <a href={doing.link} download>Again</a>}
      {doing.state === "failed" && <span class="problem" role="alert">{doing.problem}</span>}
    </span>
  );
}
