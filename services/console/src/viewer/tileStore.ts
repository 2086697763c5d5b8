/** Tiles of one image: asked for, some at a time, those that are seen first; kept as long as there is room. */
import { analysedBytes, type ImageName } from "../api/analysis";
import { problemOf } from "../words";
import { nameOf, type TilePlace, type Tiling } from "./tiling";

export interface Tile extends TilePlace {
  width: number;
  height: number;
  /** Codes of level 0, values of the others; the lowest row first. */
  pixels: Uint16Array | Float32Array;
}

const AT_ONCE = 6;
/** Bytes of pixels that are kept. */
const ROOM = 256 * 1024 * 1024;

export class TileStore {
  private readonly tiles = new Map<string, Tile>();
  private readonly asked = new Map<string, AbortController>();
  private wanted: TilePlace[] = [];
  private used = 0;
  problem = "";

  constructor(
    private readonly image: ImageName,
    private readonly tiling: Tiling,
    private readonly arrived: (tile: Tile) => void,
    private readonly forgotten: (name: string) => void,
  ) {}

  get(place: TilePlace): Tile | undefined {
    const name = nameOf(place);
    const tile = this.tiles.get(name);
    if (tile !== undefined) {
      this.tiles.delete(name); // the least recently used come first
      this.tiles.set(name, tile);
    }
    return tile;
  }

  /** Asks for these tiles, the first ones first; those that are wanted no more are not waited for. */
  want(places: readonly TilePlace[]): void {
    const names = new Set(places.map(nameOf));
    for (const [name, request] of this.asked) if (!names.has(name)) request.abort();
    this.wanted = places.filter((place) => !this.tiles.has(nameOf(place)));
    this.askMore();
  }

  close(): void {
    this.wanted = [];
    for (const request of this.asked.values()) request.abort();
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
      this.problem = "";
    } catch (error) {
      if (!request.signal.aborted) {
        this.problem = problemOf(error);
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
    const pixels = place.level === 0 ? new Uint16Array(bytes) : new Float32Array(bytes);
    if (pixels.length !== width * height) throw new Error(`a tile has ${pixels.length} pixels instead of ${width * height}`);
    return { ...place, width, height, pixels };
  }

  private keep(tile: Tile): void {
    this.tiles.set(nameOf(tile), tile);
    this.used += tile.pixels.byteLength;
    for (const [name, oldest] of this.tiles) {
      if (this.used <= ROOM) break;
      this.tiles.delete(name);
      this.used -= oldest.pixels.byteLength;
      this.forgotten(name);
    }
    this.arrived(tile);
  }
}
