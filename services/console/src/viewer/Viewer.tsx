import { useMemo, useState } from "preact/hooks";
import { DisplayControls } from "./DisplayControls";
import type { Spot } from "./gestures";
import type { ImageView } from "./ImageView";
import { KeysHelp } from "./KeysHelp";
import type { Aperture, Pointed } from "./place";
import { Stage } from "./Stage";
import { displayOf } from "./stretch";
import { ToolBar, ToolPanel } from "./ToolPanel";
import { TOOLS, toolOf } from "./toolbox";
import type { OpenedImage } from "./useImage";
import { useMeasuring } from "./useMeasuring";
import { OVERLAYS, type OverlayName, useOverlays } from "./useOverlays";

interface ViewerProps {
  opened: OpenedImage;
  /** A place that the address names, and the apertures that were laid around it. */
  pointed: Pointed | null;
  aperture: Aperture | null;
  viewed?: (view: ImageView | null) => void;
}

/** An image with all that can be done with it. */
export function Viewer({ opened, pointed, aperture, viewed }: ViewerProps) {
  const [display, setDisplay] = useState(() => displayOf(opened.tiling));
  const [sharp, setSharp] = useState(false);
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
    <div class="viewer">
      <DisplayControls image={opened.image} tiling={opened.tiling} display={display} change={setDisplay} counted={sharp} />
      <div class="controls">
        <ToolBar tool={measuring.tool} choose={measuring.choose} />
        <OverlayBar shown={overlays.shown} toggle={overlays.toggle} />
        <button type="button" aria-keyshortcuts="?" title="Keys (?)" onClick={() => setHelped(true)}>Keys</button>
      </div>
      <div class="bench">
        <Stage
          opened={opened}
          display={display}
          layers={layers}
          pointed={pointed}
          viewed={viewed}
          sharpened={() => setSharp(true)}
          deeds={{ draws: toolOf(measuring.tool).draws, zooms: measuring.tool === "move", clicked: measuring.clicked, drawn: measuring.drawn }}
          keys={keys}
          marks={overlays.shown.has("marks")}
        />
        <ToolPanel tool={measuring.tool} outcome={measuring.outcome} begun={measuring.begun} says={overlays.says} />
      </div>
      {helped && <KeysHelp close={() => setHelped(false)} />}
    </div>
  );
}

function OverlayBar({ shown, toggle }: { shown: ReadonlySet<OverlayName>; toggle: (name: OverlayName) => void }) {
  return (
    <div class="controls" role="group" aria-label="Shown over the image">
      {OVERLAYS.map(({ name, label, key }) => (
        <button key={name} type="button" aria-pressed={shown.has(name)} aria-keyshortcuts={key} title={`${label}: show or hide (${key})`} onClick={() => toggle(name)}>
          {label}
        </button>
      ))}
    </div>
  );
}
