import { useEffect, useRef } from "preact/hooks";
import type { Opened } from "./ChannelsField";
import { type Channel, rgbOf } from "./channels";
import { type Layer, mixed } from "./mixing";

/** What the channels give together, small, and before the images are aligned. */
export function ColourPreview({ channels, opened }: { channels: readonly Channel[]; opened: ReadonlyMap<string, Opened> }) {
  const place = useRef<HTMLCanvasElement>(null);
  const layers = channels.flatMap((channel): Layer[] => {
    const image = opened.get(channel.image);
    if (image === undefined || typeof image === "string") return [];
    return [{ ...image, ...rgbOf(channel.colour), black: channel.low ?? image.black, white: channel.high ?? image.white }];
  });
  useEffect(() => {
    const canvas = place.current;
    const picture = mixed(layers);
    if (canvas === null || picture === null) return;
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d")?.putImageData(picture, 0, 0);
  });
  return (
    <figure class="preview">
      <canvas ref={place} width={256} height={256} role="img" aria-label={layers.length === 0 ? "No preview yet" : `Preview of ${layers.length} channels`} />
      <figcaption class="detail">{layers.length === 0 ? "A preview comes with the first image." : "A preview: the result is sharper, and its images are aligned."}</figcaption>
    </figure>
  );
}
