/** Positions on the sky as people write them. */

/** In degrees, ICRS. */
export interface Position {
  ra: number;
  dec: number;
}

const NUMBER = String.raw`\d+(?:[.,]\d+)?`;
const BETWEEN = String.raw`(?:\s*[hHdDmMsS:°'′″"]+\s*|\s+)`;
/** Up to three numbers with their signs or blanks between: `10h 08m 22.3s`, `10:08:22.3`, `10 08 22.3`, `152.09`. */
const TRIPLE = String.raw`${NUMBER}(?:${BETWEEN}${NUMBER}){0,2}\s*(?:[hHdDmMsS°'′″"]+)?`;
const PAIR = new RegExp(String.raw`^\s*(?:ra\s*=?\s*)?(${TRIPLE})\s*(?:[,;/]\s*|\s+|(?=[+\-−–]))(?:dec\s*=?\s*)?([+\-−–]?)\s*(${TRIPLE})\s*$`, "i");
/** The designations of catalogues: `J100822.3+115801`. */
const DESIGNATION = /^\s*J?(\d\d)(\d\d)(\d\d(?:\.\d+)?)\s*([+\-−–])\s*(\d\d)(\d\d)(\d\d(?:\.\d+)?)\s*$/;

/** Returns the position that a text is; null if it is none, as names of objects are. Throws for one that cannot be. */
export function readPosition(text: string): Position | null {
  const designation = DESIGNATION.exec(text);
  if (designation !== null) {
    const [, h, m, s, sign, d, dm, ds] = designation;
    return checked(15 * sexagesimal([h, m, s]), signed(sign, sexagesimal([d, dm, ds])), text);
  }
  const pair = split(text);
  if (pair === null) return null;
  const [raText, sign, decText] = pair;
  const ra = numbers(raText);
  const inHours = ra.length > 1 ? !/[d°]/i.test(raText) : /h/i.test(raText);
  return checked((inHours ? 15 : 1) * sexagesimal(ra), signed(sign, sexagesimal(numbers(decText))), text);
}

function split(text: string): [string, string, string] | null {
  // Blanks alone leave open where the one ends: both have as many numbers then.
  const plain = text.trim().split(/\s+/);
  if (plain.length % 2 === 0 && plain.length <= 6 && plain.every((each) => /^[+\-−–]?\d+(\.\d+)?$/.test(each))) {
    const half = plain.length / 2;
    const dec = plain.slice(half).join(" ");
    const sign = /^[+\-−–]/.exec(dec)?.[0] ?? "";
    if (plain.slice(0, half).some((each) => /^[+\-−–]/.test(each))) return null;
    return [plain.slice(0, half).join(" "), sign, dec.slice(sign.length)];
  }
  const found = PAIR.exec(text);
  return found === null ? null : [found[1] ?? "", found[2] ?? "", found[3] ?? ""];
}

const numbers = (text: string) => (text.match(new RegExp(NUMBER, "g")) ?? []).map((each) => each.replace(",", "."));

function sexagesimal(parts: readonly (string | undefined)[]): number {
  const [whole = NaN, minutes = 0, seconds = 0] = parts.map(Number);
  return minutes < 60 && seconds < 60 ? whole + minutes / 60 + seconds / 3600 : NaN;
}

const signed = (sign: string | undefined, value: number) => (sign !== undefined && /[-−–]/.test(sign) ? -value : value);

function checked(ra: number, dec: number, text: string): Position {
  if (ra >= 0 && ra <= 360 && Math.abs(dec) <= 90) return { ra: ra % 360, dec };
  throw new RangeError(`“${text.trim()}” is no place on the sky: RA is 0 to 24 h or 0 to 360°, Dec −90° to 90°, minutes and seconds are less than 60.`);
}
