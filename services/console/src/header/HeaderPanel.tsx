import { useEffect, useMemo, useState } from "preact/hooks";
import { analysed, type ImageName } from "../api/analysis";
import { problemOf } from "../words";
import { found, type HeaderCards, shown, textOf, titleOf } from "./cards";
import "./header.css";

/** More rows than this make a page slow; a search finds the rest. */
const MOST_SHOWN = 1500;

/** Every card of every HDU of an image's file, with a search. */
export function HeaderPanel({ image, close }: { image: ImageName; close: () => void }) {
  const [header, setHeader] = useState<HeaderCards | null>(null);
  const [problem, setProblem] = useState("");
  const [search, setSearch] = useState("");
  const [copied, setCopied] = useState("");

  useEffect(() => {
    const gone = new AbortController();
    setHeader(null);
    setProblem("");
    analysed<HeaderCards>("header-cards", image, {}, gone.signal)
      .then((told) => !gone.signal.aborted && setHeader(told))
      .catch((error: unknown) => !gone.signal.aborted && setProblem(problemOf(error)));
    return () => gone.abort();
  }, [image.basename, image.source]);

  const hdus = useMemo(() => (header === null ? [] : found(header.hdus, search)), [header, search]);
  const count = hdus.reduce((sum, hdu) => sum + hdu.cards.length, 0);

  async function copy() {
    try {
      await navigator.clipboard.writeText(textOf(hdus));
      setCopied(`${count} cards are copied.`);
    } catch {
      setCopied("The browser does not let this page copy; mark the text instead.");
    }
  }

  let left = MOST_SHOWN;
  return (
    <section class="header-panel" aria-label="Header">
      <div class="heading">
        <h2>Header</h2>
        <input
          type="search"
          aria-label="Search the header"
          placeholder="Keyword, value or comment"
          value={search}
          autofocus
          onInput={(event) => {
            setSearch(event.currentTarget.value);
            setCopied("");
          }}
        />
        <button type="button" disabled={count === 0} onClick={() => void copy()}>Copy</button>
        <button type="button" onClick={close} aria-label="Close the header">×</button>
      </div>
      <p class="detail" role="status">
        {header === null ? (problem === "" ? "Reading …" : "") : copied || `${count} cards${search.trim() === "" ? "" : " found"}${header.complete ? "" : "; the file has more HDUs than are read"}`}
      </p>
      {problem !== "" && <p class="problem" role="alert">{problem}</p>}
      {header !== null && count === 0 && <p>{search.trim() === "" ? "The file has no cards." : "No card has all of these words."}</p>}
      <div class="header-cards" tabIndex={0} role="region" aria-label="Cards">
        {hdus.map((hdu) => {
          const cards = hdu.cards.slice(0, Math.max(0, left));
          left -= hdu.cards.length;
          return cards.length === 0 ? null : (
            <table key={hdu.number}>
              <caption>{titleOf(hdu)}</caption>
              <thead class="unseen"><tr><th scope="col">Keyword</th><th scope="col">Value</th><th scope="col">Comment</th></tr></thead>
              <tbody>
                {cards.map(([keyword, value, comment], number) => (
                  <tr key={number}>
                    <th scope="row">{keyword}</th>
                    <td class={typeof value === "number" ? "number" : ""}>{shown(value)}</td>
                    <td class="detail">{comment}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          );
        })}
        {left < 0 && <p class="hint">{-left} more cards are not shown: search for what you need. “Copy” has them all.</p>}
      </div>
    </section>
  );
}
