import { Link } from "wouter-preact";
import type { ImageName } from "../api/analysis";
import { blinkAddress, MOST_IMAGES } from "./addresses";

/** Leads to a blink of images, or says how many are too many. */
export function BlinkLink({ images }: { images: readonly ImageName[] }) {
  const reason = images.length < 2 ? "Choose two or more to blink them" : images.length > MOST_IMAGES ? `At most ${MOST_IMAGES} are blinked` : "";
  if (reason !== "") return <button type="button" disabled title={reason}>Blink</button>;
  return <Link class="button" href={blinkAddress(images)}>Blink {images.length}</Link>;
}
