/** How an image is cut into tiles, and which of them a view needs. Pixels count from the left and from the bottom. */

export interface Tiling {
  tile_px: number;
  levels: { width: number; height: number }[];
  zscale: [number, number];
  percentiles: Record<string, number>;
  has_wcs: boolean;
}

/** What is looked at: the image pixel in the middle, and how many screen pixels one image pixel is. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface TilePlace {
  level: number;
  column: number;
  row: number;
}

export const nameOf = (place: TilePlace) => `${place.level}/${place.column}/${place.row}`;

/** Returns the level whose pixels are nearest to those of the screen, and not larger. */
export function levelFor(tiling: Tiling, scale: number): number {
  const wanted = Math.floor(Math.log2(1 / scale) + 1e-9);
  return Math.min(Math.max(wanted, 0), tiling.levels.length - 1);
}

/** Returns the view in which all of the image is seen. */
export function wholeImage(tiling: Tiling, width: number, height: number): View {
  const size = tiling.levels[0] ?? { width: 1, height: 1 };
  return {
    x: size.width / 2,
    y: size.height / 2,
    scale: Math.min(width / size.width, height / size.height),
  };
}

/** Returns the tiles of a level that a view of so many screen pixels shows, those in the middle first. */
export function tilesSeen(tiling: Tiling, level: number, view: View, width: number, height: number): TilePlace[] {
  const size = tiling.levels[level];
  if (size === undefined) return [];
  const side = tiling.tile_px * 2 ** level; // in image pixels
  const half = { x: width / 2 / view.scale, y: height / 2 / view.scale };
  const last = { column: Math.ceil(size.width / tiling.tile_px) - 1, row: Math.ceil(size.height / tiling.tile_px) - 1 };
  const from = {
    column: Math.max(0, Math.floor((view.x - half.x) / side)),
    row: Math.max(0, Math.floor((view.y - half.y) / side)),
  };
  const to = {
    column: Math.min(last.column, Math.floor((view.x + half.x) / side)),
    row: Math.min(last.row, Math.floor((view.y + half.y) / side)),
  };
  const seen: TilePlace[] = [];
  for (let row = from.row; row <= to.row; row++) {
    for (let column = from.column; column <= to.column; column++) seen.push({ level, column, row });
  }
  const distance = (place: TilePlace) =>
    Math.hypot((place.column + 0.5) * side - view.x, (place.row + 0.5) * side - view.y);
  return seen.sort((one, other) => distance(one) - distance(other));
}

/** Returns the tile of the next level that shows the same, at half the size. */
export function parentOf(place: TilePlace): TilePlace {
  return { level: place.level + 1, column: place.column >> 1, row: place.row >> 1 };
}

/** Returns the view after zooming by a factor, the image staying where it is at a place of the screen. */
export function zoomedAt(view: View, factor: number, atX: number, atY: number, limits: [number, number]): View {
  const scale = Math.min(Math.max(view.scale * factor, limits[0]), limits[1]);
  const kept = 1 / view.scale - 1 / scale;
  return { x: view.x + atX * kept, y: view.y + atY * kept, scale };
}
