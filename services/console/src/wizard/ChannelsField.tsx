import { useEffect, useState } from "preact/hooks";
import type { InputImage } from "../api/sessions";
import { problemOf } from "../words";
import { type Channel, byFilter, EMPTY, levelAt, type LevelScale, placeOf, STEPS_OF_SLIDER } from "./channels";
import { type ChannelImage, openChannelImage } from "./channelImage";
import { ColourPreview } from "./ColourPreview";
import { keyOf } from "./wizardForm";

interface ChannelsFieldProps {
  images: readonly InputImage[];
  value: Channel[];
  most: number;
  change: (value: Channel[]) => void;
}

/** The channels of a colour image: image, colour and levels of each, and what comes of them. */
export function ChannelsField({ images, value, most, change }: ChannelsFieldProps) {
  const opened = useOpened(images, value);
  const changed = (place: number, part: Partial<Channel>) => change(value.map((channel, each) => (each === place ? { ...channel, ...part } : channel)));
  return (
    <div class="colours">
      <div class="channels">
        {value.map((channel, place) => (
          <ChannelRow
            key={place}
            number={place + 1}
            channel={channel}
            images={images}
            opened={opened.get(channel.image)}
            change={(part) => changed(place, part)}
            remove={value.length === 1 ? null : () => change(value.filter((_, each) => each !== place))}
          />
        ))}
        <p class="choice">
          {value.length < most && <button type="button" onClick={() => change([...value, EMPTY])}>Another channel</button>}
          <button type="button" onClick={() => change(byFilter(images, keyOf))}>Assign by filter</button>
        </p>
      </div>
      <ColourPreview channels={value} opened={opened} />
    </div>
  );
}

interface ChannelRowProps {
  number: number;
  channel: Channel;
  images: readonly InputImage[];
  opened: Opened | undefined;
  change: (part: Partial<Channel>) => void;
  remove: (() => void) | null;
}

function ChannelRow({ number, channel, images, opened, change, remove }: ChannelRowProps) {
  const name = `channel ${number}`;
  const image = typeof opened === "object" ? opened : undefined;
  return (
    <div class="channel" role="group" aria-label={name}>
      <p class="choice">
        <label>Colour <input type="color" value={channel.colour} onInput={(event) => change({ colour: event.currentTarget.value })} /></label>
        <label class="wide">
          Image
          <select value={channel.image} onChange={(event) => change({ image: event.currentTarget.value, low: null, high: null })}>
            <option value="">choose …</option>
            {images.map((each) => <option key={keyOf(each)} value={keyOf(each)}>{[each.filter, each.label, each.basename].filter(Boolean).join(" · ")}</option>)}
          </select>
        </label>
        {remove !== null && <button type="button" aria-label={`Remove ${name}`} onClick={remove}>Remove</button>}
      </p>
      {typeof opened === "string" && <p class="problem">{opened}</p>}
      {image !== undefined && (
        <>
          <Level label="Black" channel={name} scale={image.scale} automatic={image.black} level={channel.low} change={(low) => change({ low })} />
          <Level label="White" channel={name} scale={image.scale} automatic={image.white} level={channel.high} change={(high) => change({ high })} />
        </>
      )}
    </div>
  );
}

interface LevelProps {
  label: string;
  channel: string;
  scale: LevelScale;
  /** What the server takes if nothing is chosen. */
  automatic: number;
  level: number | null;
  change: (level: number | null) => void;
}

const shortly = (level: number) => String(Number(level.toPrecision(6)));

function Level({ label, channel, scale, automatic, level, change }: LevelProps) {
  function typed(text: string) {
    if (text.trim() === "") change(null);
    else if (Number.isFinite(Number(text))) change(Number(text));
  }
  return (
    <p class="level">
      <span>{label}</span>
      <input
        type="range"
        min={0}
        max={STEPS_OF_SLIDER}
        aria-label={`${label} of ${channel}`}
        aria-valuetext={shortly(level ?? automatic)}
        value={placeOf(scale, level ?? automatic)}
        onInput={(event) => change(Number(shortly(levelAt(scale, Number(event.currentTarget.value)))))}
      />
      <input inputMode="decimal" size={9} aria-label={`${label} level of ${channel}`} placeholder={shortly(automatic)} value={level === null ? "" : shortly(level)} onChange={(event) => typed(event.currentTarget.value)} />
      <button type="button" disabled={level === null} aria-label={`Automatic ${label.toLowerCase()} of ${channel}`} onClick={() => change(null)}>Automatic</button>
    </p>
  );
}

/** What is known of an image: nothing yet, what is wrong with it, or what is needed to show it. */
export type Opened = ChannelImage | string;

/** The images of channels, by their keys, as they come. */
function useOpened(images: readonly InputImage[], channels: readonly Channel[]): ReadonlyMap<string, Opened> {
  const [opened, setOpened] = useState<ReadonlyMap<string, Opened>>(new Map());
  const wanted = [...new Set(channels.map((channel) => channel.image))].filter(Boolean).join("\n");
  useEffect(() => {
    const asking = new AbortController();
    for (const key of wanted.split("\n")) {
      const image = images.find((each) => keyOf(each) === key);
      if (image === undefined || opened.has(key)) continue;
      const keep = (found: Opened) => {
        if (!asking.signal.aborted) setOpened((before) => new Map([...before, [key, found]]));
      };
      openChannelImage(image, asking.signal).then(keep, (error: unknown) => keep(problemOf(error)));
    }
    return () => asking.abort();
  }, [wanted]);
  return opened;
}
