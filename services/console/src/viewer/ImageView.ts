/** One image on a canvas: what is seen of it, and how bright. Draws when something has changed, once for each frame. */
import type { ImageName } from "../api/analysis";
import { CanvasView, LARGEST_PIXEL } from "./CanvasView";
import { lookingAt, Painter } from "./painter";
import type { Display } from "./stretch";
import { type Tile, TileStore, valueIn } from "./tileStore";
import { levelFor, parentOf, type TilePlace, tilesSeen, type Tiling } from "./tiling";

export class ImageView extends CanvasView {
  /** Why the latest tile is not here. */
  problem = "";
  /** Whether all that is seen is as sharp as it gets. */
  sharp = false;
  private readonly painter: Painter;
  private readonly store: TileStore;

  constructor(
    canvas: HTMLCanvasElement,
    image: ImageName,
    readonly tiling: Tiling,
    private display: Display,
    /** Called after each drawing. */
    private readonly drawn: () => void,
  ) {
    super(canvas, tiling);
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
    this.changed();
  }

  override close(): void {
    super.close();
    this.store.close();
    this.painter.close();
  }

  show(display: Display): void {
    this.display = display;
    this.changed();
  }

  /** Its middle stays on the image. */
  override pan(dx: number, dy: number): void {
    const size = this.tiling.levels[0] ?? { width: 1, height: 1 };
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    this.view = {
      ...this.view,
      x: within(this.view.x - dx / this.view.scale, size.width),
      y: within(this.view.y - dy / this.view.scale, size.height),
    };
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

  protected override paint(): void {
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
