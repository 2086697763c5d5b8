/** Where groups of frames are on the page, so that only those in sight are drawn. All lengths in CSS pixels. */

export interface Measures {
  columns: number;
  /** Of a row of frames, with what is between two. */
  row: number;
  /** Of what stands above each group. */
  heading: number;
}

export interface Place {
  top: number;
  rows: number;
}

export interface Layout {
  places: readonly Place[];
  height: number;
}

/** Returns where groups of these sizes are. */
export function laidOut(sizes: readonly number[], { columns, row, heading }: Measures): Layout {
  let top = 0;
  const places = sizes.map((size) => {
    const place = { top, rows: Math.ceil(size / columns) };
    top += heading + place.rows * row;
    return place;
  });
  return { places, height: top };
}

/** Returns which rows of a group, from and until, touch a part of the page. */
export function rowsBetween({ top, rows }: Place, { row, heading }: Measures, from: number, until: number): [number, number] {
  const within = (value: number) => Math.min(rows, Math.max(0, value));
  const first = within(Math.floor((from - top - heading) / row));
  return [first, Math.max(first, within(Math.ceil((until - top - heading) / row)))];
}
