/** Tiles of one image: asked for, some at a time, those that are seen first; kept as long as there is room. */
import { analysedBytes, type ImageName } from "../api/analysis";
import { problemOf } from "../words";
import { nameOf, type TilePlace, type Tiling } from "./tiling";

/** What codes mean: `lowest + step * (code - 1)`; 0 is no value. `clipped`: 1 and 65535 stand for all beyond, too. */
export interface Coding {
  lowest: number;
  step: number;
  clipped: boolean;
}

export interface Tile extends TilePlace {
  width: number;
  height: number;
  /** Codes of level 0, values of the others; the lowest row first. */
  pixels: Uint16Array | Float32Array;
  /** Of codes. */
  coding: Coding | null;
}

/** One less than browsers ask of a server at once: what else is asked need not wait. */
const AT_ONCE = 5;
/** How often a tile is asked for that does not come, without anybody doing anything. */
const MOST_TRIES = 4;
const RETRY_MS = 2000;
/** Before the codes of a tile are three numbers of 64 bits. */
const CODING_BYTES = 24;
/** Bytes of pixels that are kept of an image that is looked at. */
const ROOM = 256 * 1024 * 1024;

/** What who shows tiles is told. */
export interface Heard {
  /** There is more to be shown, or to be wanted again. */
  arrived: () => void;
  /** A tile has gone, to make room. */
  forgotten: (tile: Tile) => void;
  failed: (problem: string) => void;
  /** Bytes of pixels that are kept. */
  room?: number;
}

export class TileStore {
  private readonly tiles = new Map<string, Tile>();
  private readonly asked = new Map<string, AbortController>();
  private readonly opening = new AbortController();
  private wanted: TilePlace[] = [];
  private used = 0;
  private isOpen = false;
  private readonly tries = new Map<string, number>();
  private retry: ReturnType<typeof setTimeout> | undefined;
  /** About what the last level is, until that is here: it takes a moment to be made. */
  private overview: Tile | undefined;

  constructor(
    private readonly image: ImageName,
    private readonly tiling: Tiling,
    private readonly heard: Heard,
  ) {}

  get(place: TilePlace): Tile | undefined {
    const name = nameOf(place);
    const tile = this.tiles.get(name);
    if (tile !== undefined) {
      this.tiles.delete(name); // the least recently used come first
      this.tiles.set(name, tile);
    }
    return tile ?? (this.overview?.level === place.level ? this.overview : undefined);
  }

  /** Returns whether a tile is here, and no overview in its stead. */
  has(place: TilePlace): boolean {
    return this.tiles.has(nameOf(place));
  }

  /** Asks for these tiles, the first ones first; those that are wanted no more are not waited for. */
  want(places: readonly TilePlace[]): void {
    if (!this.isOpen) void this.askOverview();
    this.isOpen = true;
    const names = new Set(places.map(nameOf));
    for (const [name, request] of this.asked) if (!names.has(name)) request.abort();
    this.wanted = places.filter((place) => !this.tiles.has(nameOf(place)));
    this.askMore();
  }

  close(): void {
    this.wanted = [];
    this.opening.abort();
    clearTimeout(this.retry);
    for (const request of this.asked.values()) request.abort();
  }

  /** Has a tile wanted again in a while, some times: a server that is busy takes its time. */
  private tryLater(name: string): void {
    const tries = (this.tries.get(name) ?? 0) + 1;
    this.tries.set(name, tries);
    if (tries >= MOST_TRIES || this.opening.signal.aborted) return;
    this.retry ??= setTimeout(() => {
      this.retry = undefined;
      this.heard.arrived();
    }, RETRY_MS);
  }

  private async askOverview(): Promise<void> {
    const last = this.tiling.levels.length - 1;
    const size = this.tiling.levels[last];
    if (last === 0 || size === undefined) return; // the image itself is as quick
    try {
      const pixels = new Float32Array(await analysedBytes("overview", this.image, {}, this.opening.signal));
      if (this.has({ level: last, column: 0, row: 0 }) || pixels.length !== size.width * size.height) return;
      this.overview = { level: last, column: 0, row: 0, ...size, pixels, coding: null };
      this.heard.arrived();
    } catch {
      // the tiles say what is wrong
    }
  }

  private askMore(): void {
    while (this.asked.size < AT_ONCE) {
      const place = this.wanted.find((each) => !this.asked.has(nameOf(each)) && !this.tiles.has(nameOf(each)));
      if (place === undefined) return;
      void this.ask(place);
    }
  }

  private async ask(place: TilePlace): Promise<void> {
    const name = nameOf(place);
    const request = new AbortController();
    this.asked.set(name, request);
    try {
      this.keep(this.decoded(place, await analysedBytes("tile", this.image, place, request.signal)));
    } catch (error) {
      if (!request.signal.aborted) {
        this.heard.failed(problemOf(error));
        this.tryLater(name);
        this.wanted = this.wanted.filter((each) => nameOf(each) !== name); // until it is wanted again
      }
    } finally {
      this.asked.delete(name);
      this.askMore();
    }
  }

  private decoded(place: TilePlace, bytes: ArrayBuffer): Tile {
    const size = this.tiling.levels[place.level];
    if (size === undefined) throw new Error(`there is no level ${place.level}`);
    const side = this.tiling.tile_px;
    const width = Math.min(side, size.width - place.column * side);
    const height = Math.min(side, size.height - place.row * side);
    const coding = place.level === 0 ? codingOf(bytes) : null;
    const pixels = coding === null ? new Float32Array(bytes) : new Uint16Array(bytes, CODING_BYTES);
    if (pixels.length !== width * height) throw new Error(`a tile has ${pixels.length} pixels instead of ${width * height}`);
    return { ...place, width, height, pixels, coding };
  }

  private keep(tile: Tile): void {
    this.tiles.set(nameOf(tile), tile);
    this.used += tile.pixels.byteLength;
    for (const [name, oldest] of this.tiles) {
      if (oldest === tile || this.used <= (this.heard.room ?? ROOM)) break;
      this.tiles.delete(name);
      this.used -= oldest.pixels.byteLength;
      this.heard.forgotten(oldest);
    }
    if (this.overview?.level === tile.level) {
      this.heard.forgotten(this.overview);
      this.overview = undefined;
    }
    this.heard.arrived();
  }
}

function codingOf(bytes: ArrayBuffer): Coding {
  const [lowest = 0, step = 1, clipped = 0] = new Float64Array(bytes, 0, 3);
  return { lowest, step, clipped: clipped !== 0 };
}

/** Returns the value of a pixel of a tile, by its number there; NaN if it is undefined, null if there is no such. */
export function valueIn(tile: Tile, index: number): number | null {
  const raw = tile.pixels[index];
  if (raw === undefined) return null;
  if (tile.coding === null) return raw;
  return raw === 0 ? Number.NaN : tile.coding.lowest + tile.coding.step * (raw - 1);
}
