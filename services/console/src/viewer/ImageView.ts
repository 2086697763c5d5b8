/** One image on a canvas: what is seen of it, and how bright. Draws when something has changed, once for each frame. */
import type { ImageName } from "../api/analysis";
import { lookingAt, Painter } from "./painter";
import type { Display } from "./stretch";
import { type Tile, TileStore, valueIn } from "./tileStore";
import { levelFor, parentOf, type TilePlace, tilesSeen, type Tiling, type View, wholeImage, zoomedAt } from "./tiling";

const LARGEST_PIXEL = 64;

export class ImageView {
  view: View;
  /** Why the latest tile is not here. */
  problem = "";
  /** Whether all that is seen is as sharp as it gets. */
  sharp = false;
  private readonly painter: Painter;
  private readonly store: TileStore;
  private waiting = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    image: ImageName,
    readonly tiling: Tiling,
    private display: Display,
    /** Called after each drawing. */
    private readonly drawn: () => void,
  ) {
    this.painter = new Painter(canvas);
    this.store = new TileStore(image, tiling, {
      arrived: () => {
        this.problem = "";
        this.changed();
      },
      forgotten: (tile) => this.painter.forget(tile),
      failed: (problem) => {
        this.problem = problem;
        this.drawn();
      },
    });
    this.fit();
    this.view = wholeImage(tiling, canvas.width, canvas.height);
    this.changed();
  }

  close(): void {
    cancelAnimationFrame(this.waiting);
    this.store.close();
    this.painter.close();
  }

  show(display: Display): void {
    this.display = display;
    this.changed();
  }

  /** Gives the canvas as many pixels as it has on the screen. */
  fit(): void {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.changed();
  }

  showAll(): void {
    this.view = wholeImage(this.tiling, this.canvas.width, this.canvas.height);
    this.changed();
  }

  /** Shows each pixel of the image as one of the screen. */
  showPixels(): void {
    this.view = { ...this.view, scale: 1 };
    this.changed();
  }

  /** Moves the image by so many pixels of the screen, to the right and up. */
  pan(dx: number, dy: number): void {
    const size = this.tiling.levels[0] ?? { width: 1, height: 1 };
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    this.view = {
      ...this.view,
      x: within(this.view.x - dx / this.view.scale, size.width),
      y: within(this.view.y - dy / this.view.scale, size.height),
    };
    this.changed();
  }

  /** Zooms around a place of the canvas, in its pixels from the middle, to the right and up. */
  zoom(factor: number, atX = 0, atY = 0): void {
    const all = wholeImage(this.tiling, this.canvas.width, this.canvas.height).scale;
    this.view = zoomedAt(this.view, factor, atX, atY, [Math.min(all / 2, 1), LARGEST_PIXEL]);
    this.changed();
  }

  /** Shows a place of the image in the middle, its pixels at least so many times as large as those of the screen. */
  centre(x: number, y: number, scale: number): void {
    this.view = { x, y, scale: Math.min(Math.max(this.view.scale, scale), LARGEST_PIXEL) };
    this.changed();
  }

  /** Returns whether the image has a place. */
  has(x: number, y: number): boolean {
    const size = this.tiling.levels[0] ?? { width: 0, height: 0 };
    return x >= 0 && y >= 0 && x < size.width && y < size.height;
  }

  /** Returns the image pixel at a place of the canvas, whole numbers at lower left edges; it may be outside. */
  pixelAt(atX: number, atY: number): { x: number; y: number } {
    return { x: this.view.x + atX / this.view.scale, y: this.view.y + atY / this.view.scale };
  }

  /** Returns the pixels of the image that are seen, the first column and row and how many; 0 of what is not seen. */
  seen(): { x: number; y: number; width: number; height: number } {
    const size = this.tiling.levels[0] ?? { width: 0, height: 0 };
    const part = (middle: number, screen: number, all: number): [number, number] => {
      const half = screen / 2 / this.view.scale;
      const first = Math.max(0, Math.floor(middle - half));
      return [first, Math.max(0, Math.min(all, Math.ceil(middle + half)) - first)];
    };
    const [x, width] = part(this.view.x, this.canvas.width, size.width);
    const [y, height] = part(this.view.y, this.canvas.height, size.height);
    return { x, y, width, height };
  }

  /** Returns the value of an image pixel: of the finest level that is here. `exact` is whether that is the image itself. */
  valueAt(x: number, y: number): { value: number; exact: boolean } | null {
    for (let level = 0; level < this.tiling.levels.length; level++) {
      const column = Math.floor(x / 2 ** level);
      const row = Math.floor(y / 2 ** level);
      const side = this.tiling.tile_px;
      const tile = this.store.get({ level, column: Math.floor(column / side), row: Math.floor(row / side) });
      if (tile === undefined) continue;
      const value = valueIn(tile, (row - tile.row * side) * tile.width + (column - tile.column * side));
      return value === null ? null : { value, exact: level === 0 && tile.coding?.clipped === false };
    }
    return null;
  }

  private changed(): void {
    if (this.waiting !== 0) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  private paint(): void {
    const level = levelFor(this.tiling, this.view.scale);
    const { width, height } = this.canvas;
    const seen = tilesSeen(this.tiling, level, this.view, width, height);
    const last = this.tiling.levels.length - 1;
    const whole: TilePlace = { level: last, column: 0, row: 0 };
    this.store.want([whole, ...seen]);
    const beneath = new Map<string, Tile>();
    const above: Tile[] = [];
    for (const place of seen) {
      const tile = this.store.get(place);
      if (tile !== undefined) {
        above.push(tile);
        continue;
      }
      for (let parent = parentOf(place); parent.level <= last; parent = parentOf(parent)) {
        const known = this.store.get(parent);
        if (known === undefined) continue;
        beneath.set(`${known.level}/${known.column}/${known.row}`, known);
        break;
      }
    }
    this.sharp = above.length === seen.length;
    const coarseFirst = [...beneath.values()].sort((one, other) => other.level - one.level);
    const { x, y, scale } = this.view;
    this.painter.clear();
    this.painter.draw([...coarseFirst, ...above], this.tiling, lookingAt(x, y, scale, width, height), this.display);
    this.drawn();
  }
}
