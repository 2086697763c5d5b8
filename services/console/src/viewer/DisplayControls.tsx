import { shortly } from "../words";
import { COLOUR_MAPS, type ColourMap, type Display, STRETCHES, type Stretch } from "./stretch";
import type { Tiling } from "./tiling";

interface ControlProps {
  tiling: Tiling;
  display: Display;
  change: (display: Display) => void;
}

/** Limits, stretch and colours. */
export function DisplayControls({ tiling, display, change }: ControlProps) {
  const percentiles = Object.values(tiling.percentiles);
  const least = Math.min(tiling.zscale[0], ...percentiles);
  const most = Math.max(tiling.zscale[1], ...percentiles);
  const step = (most - least) / 1000 || 1;
  const presets: Record<string, [number, number]> = {
    zscale: tiling.zscale,
    "99 %": [tiling.percentiles["1"] ?? least, tiling.percentiles["99"] ?? most],
    "99.8 %": [tiling.percentiles["0.1"] ?? least, tiling.percentiles["99.9"] ?? most],
  };
  const limit = (which: "low" | "high", value: number) => {
    const changed = { ...display, [which]: value };
    if (changed.low < changed.high) change(changed);
  };
  return (
    <div class="controls" role="group" aria-label="Display">
      {Object.entries(presets).map(([name, [low, high]]) => (
        <button key={name} type="button" aria-pressed={display.low === low && display.high === high} onClick={() => change({ ...display, low, high })}>
          {name}
        </button>
      ))}
      <label>
        Black
        <input type="range" min={least} max={most} step={step} value={display.low} onInput={(event) => limit("low", event.currentTarget.valueAsNumber)} />
        <output>{shortly(display.low)}</output>
      </label>
      <label>
        White
        <input type="range" min={least} max={most} step={step} value={display.high} onInput={(event) => limit("high", event.currentTarget.valueAsNumber)} />
        <output>{shortly(display.high)}</output>
      </label>
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
  );
}
