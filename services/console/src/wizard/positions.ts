/** Positions of a moving target: `RA Dec time; RA Dec time`, degrees and UTC. */

/**
 * Returns the text with one more position, at the middle of an exposure (in seconds). One at the same time is
 * replaced: a second click on an image corrects the first.
 */
export function withPosition(text: string, { ra, dec }: { ra: number; dec: number }, observed: string, exposure: number): string {
  const middle = new Date(Date.parse(observed) + 500 * exposure).toISOString().replace(/Z$/, "");
  const others = text.split(";").map((entry) => entry.trim()).filter((entry) => entry !== "" && !entry.endsWith(middle));
  return [...others, `${ra.toFixed(6)} ${dec.toFixed(6)} ${middle}`].join("; ");
}
