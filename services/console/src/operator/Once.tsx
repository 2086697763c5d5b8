import { useState } from "preact/hooks";

/** Something secret, shown this once: a link that logs somebody in, or a token. */
export function Once({ label, text, done }: { label: string; text: string; done: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <div class="once">
      <label>
        {label}
        <input readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <p>
        {/* Pages that come over plain HTTP may not write to the clipboard: there, the text is selected by a click. */}
        {isSecureContext && (
          <button type="button" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false))}>{copied ? "Copied" : "Copy"}</button>
        )}{" "}
        <button type="button" onClick={done}>Done</button>
      </p>
    </div>
  );
}
