import { useMemo, useState } from "preact/hooks";
import { DisplayControls } from "./DisplayControls";
import type { Spot } from "./gestures";
import { KeysHelp } from "./KeysHelp";
import type { Aperture, Pointed } from "./place";
import { Stage } from "./Stage";
import { displayOf } from "./stretch";
import { ToolBar, ToolPanel } from "./ToolPanel";
import { TOOLS, toolOf } from "./toolbox";
import type { OpenedImage } from "./useImage";
import { useMeasuring } from "./useMeasuring";
import { OVERLAYS, useOverlays } from "./useOverlays";

interface ViewerProps {
  opened: OpenedImage;
  /** A place that the address names, and the apertures that were laid around it. */
  pointed: Pointed | null;
  aperture: Aperture | null;
}

/** An image with all that can be done with it. */
export function Viewer({ opened, pointed, aperture }: ViewerProps) {
  const [display, setDisplay] = useState(() => displayOf(opened.tiling));
  const [helped, setHelped] = useState(false);
  const measuring = useMeasuring(opened);
  const overlays = useOverlays(opened, pointed, aperture);
  const layers = useMemo(() => [...overlays.layers, ...measuring.layers], [overlays.layers, measuring.layers]);
  const keys: Record<string, (middle: Spot) => void> = {
    Enter: measuring.aimed,
    Escape: () => measuring.choose("move"),
    "?": () => setHelped(true),
  };
  for (const { key, name } of TOOLS) keys[key] = () => measuring.choose(name);
  for (const { key, name } of OVERLAYS) keys[key] = () => overlays.toggle(name);

  return (
    <>
      <DisplayControls image={opened.image} tiling={opened.tiling} display={display} change={setDisplay} />
      <ToolBar tool={measuring.tool} choose={measuring.choose} />
      <div class="controls" role="group" aria-label="Shown over the image">
        {OVERLAYS.map(({ name, label, key }) => (
          <button key={name} type="button" aria-pressed={overlays.shown.has(name)} aria-keyshortcuts={key} title={`${label} (${key})`} onClick={() => overlays.toggle(name)}>
            {label}
          </button>
        ))}
        <button type="button" aria-keyshortcuts="?" onClick={() => setHelped(true)}>Keys</button>
        <span class="hint" role="status">{overlays.says}</span>
      </div>
      <div class={measuring.tool === "move" ? "bench" : "bench beside"}>
        <Stage
          opened={opened}
          display={display}
          layers={layers}
          pointed={pointed}
          deeds={{ draws: toolOf(measuring.tool).draws, clicked: measuring.clicked, drawn: measuring.drawn }}
          keys={keys}
          marks={overlays.shown.has("marks")}
        />
        <ToolPanel tool={measuring.tool} outcome={measuring.outcome} begun={measuring.begun} />
      </div>
      {helped && <KeysHelp close={() => setHelped(false)} />}
    </>
  );
}
