/** Cards of FITS headers as people look for them. */

export type CardValue = string | number | boolean | null;
/** Keyword, value, comment. */
export type Card = [string, CardValue, string];

export interface HeaderHdu {
  number: number;
  name: string;
  cards: Card[];
}

export interface HeaderCards {
  hdus: HeaderHdu[];
  complete: boolean;
}

/** Returns a value as it stands in a header. */
export function shown(value: CardValue): string {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "T" : "F";
  return String(value);
}

/** Returns the HDUs with those of their cards that have every word of a search somewhere; HDUs without any are left out. */
export function found(hdus: readonly HeaderHdu[], search: string): HeaderHdu[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...hdus];
  return hdus
    .map((hdu) => ({
      ...hdu,
      cards: hdu.cards.filter(([keyword, value, comment]) => {
        const text = `${keyword} ${shown(value)} ${comment}`.toLowerCase();
        return words.every((word) => text.includes(word));
      }),
    }))
    .filter((hdu) => hdu.cards.length > 0);
}

export function titleOf({ number, name }: HeaderHdu): string {
  return name === "" ? `HDU ${number}` : `HDU ${number}: ${name}`;
}

/** Returns cards as a text to be pasted, one to a line. */
export function textOf(hdus: readonly HeaderHdu[]): string {
  return hdus
    .flatMap((hdu) => [
      `# ${titleOf(hdu)}`,
      ...hdu.cards.map(([keyword, value, comment]) => {
        const written = typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : shown(value);
        if (["COMMENT", "HISTORY", ""].includes(keyword)) return `${keyword.padEnd(8)}${shown(value)}`;
        return `${keyword.padEnd(8)}= ${written}${comment === "" ? "" : ` / ${comment}`}`;
      }),
    ])
    .join("\n");
}
