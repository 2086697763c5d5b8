import { useEffect, useMemo, useState } from "preact/hooks";
import type { ImageName } from "../api/analysis";
import { shortly } from "../words";
import { type Histogram, histogramOf, outline, reachOf } from "./histogram";
import { COLOUR_MAPS, type ColourMap, type Display, presetsOf, STRETCHES, type Stretch } from "./stretch";
import type { Tiling } from "./tiling";

interface ControlProps {
  image: ImageName;
  tiling: Tiling;
  display: Display;
  change: (display: Display) => void;
  /** Whether pixels may be counted now: the image itself goes first. */
  counted: boolean;
}

/** Limits, stretch and colours; nothing is asked for when they change. */
export function DisplayControls({ image, tiling, display, change, counted }: ControlProps) {
  const presets = useMemo(() => presetsOf(tiling), [tiling]);
  return (
    <div class="display">
      <Levels image={image} tiling={tiling} display={display} change={change} counted={counted} />
      <div class="controls" role="group" aria-label="Display">
        {Object.entries(presets).map(([name, [low, high]]) => (
          <button key={name} type="button" aria-pressed={display.low === low && display.high === high} onClick={() => change({ ...display, low, high })}>
            {name}
          </button>
        ))}
        <label>
          Stretch
          <select value={display.stretch} onChange={(event) => change({ ...display, stretch: event.currentTarget.value as Stretch })}>
            {STRETCHES.map((each) => <option key={each}>{each}</option>)}
          </select>
        </label>
        <label>
          Colours
          <select value={display.colours} onChange={(event) => change({ ...display, colours: event.currentTarget.value as ColourMap })}>
            {COLOUR_MAPS.map((each) => <option key={each}>{each}</option>)}
          </select>
        </label>
      </div>
    </div>
  );
}

const WIDTH = 256;
const HEIGHT = 48;

/** The histogram with both limits as sliders on it, and as numbers. */
function Levels({ image, tiling, display, change, counted }: ControlProps) {
  const { least, most } = useMemo(() => reachOf(tiling), [tiling]);
  const [histogram, setHistogram] = useState<Histogram | null>(null);
  useEffect(() => {
    if (!counted) return;
    let gone = false;
    // Without it the sliders have nothing behind them, and work.
    histogramOf(image, least, most).then((found) => !gone && setHistogram(found), () => undefined);
    return () => {
      gone = true;
    };
  }, [image.basename, image.source, least, most, counted]);
  const path = useMemo(() => (histogram === null ? "" : outline(histogram, WIDTH, HEIGHT)), [histogram]);

  const limit = (which: "low" | "high", value: number) => {
    const changed = { ...display, [which]: value };
    if (Number.isFinite(value) && changed.low < changed.high) change(changed);
  };
  const at = (value: number) => (Math.min(Math.max((value - least) / (most - least), 0), 1) * WIDTH).toFixed(2);
  const slider = (which: "low" | "high", label: string) => (
    <input
      type="range"
      aria-label={`${label}, slider`}
      aria-valuetext={shortly(display[which])}
      min={least}
      max={most}
      step={(most - least) / 1000}
      value={display[which]}
      onInput={(event) => limit(which, event.currentTarget.valueAsNumber)}
    />
  );
  const number = (which: "low" | "high", label: string) => (
    <label>
      {label}
      <input type="number" step="any" value={Number(display[which].toPrecision(6))} onChange={(event) => limit(which, event.currentTarget.valueAsNumber)} />
    </label>
  );
  return (
    <div class="levels" role="group" aria-label="Limits">
      {number("low", "Black")}
      <div class="histogram">
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={path} />
          <rect x={at(display.low)} y={0} width={Math.max(0, Number(at(display.high)) - Number(at(display.low)))} height={HEIGHT} />
        </svg>
        {slider("low", "Black")}
        {slider("high", "White")}
      </div>
      {number("high", "White")}
    </div>
  );
}
