/** Right ascensions and declinations as people write them. */

const SEXAGESIMAL = /^([+-]?)(\d{1,3})[:\sh°d]+(\d{1,2})(?:[:\sm'′]+(\d{1,2}(?:\.\d*)?)[s"″]?)?$/;

/** Returns degrees: of `83.82`, or of hours, minutes and seconds, `05:35:17.3`; null for what is neither. */
export const rightAscension = (text: string): number | null => degrees(text, 15, 0, 360);

/** Returns degrees: of `-5.39`, or of degrees, minutes and seconds, `-05:23:28`; null for what is neither. */
export const declination = (text: string): number | null => degrees(text, 1, -90, 90);

function degrees(text: string, unit: number, least: number, most: number): number | null {
  const bare = text.trim().replace("−", "-");
  const plain = bare === "" ? NaN : Number(bare);
  const value = Number.isFinite(plain) ? plain : sexagesimal(bare, unit);
  return value !== null && value >= least && value <= most ? value : null;
}

function sexagesimal(text: string, unit: number): number | null {
  const parts = SEXAGESIMAL.exec(text);
  if (parts === null) return null;
  const [, sign, whole, minutes, seconds] = parts;
  if (Number(minutes) >= 60 || Number(seconds ?? 0) >= 60) return null;
  const size = Number(whole) + Number(minutes) / 60 + Number(seconds ?? 0) / 3600;
  return (sign === "-" ? -size : size) * unit;
}
