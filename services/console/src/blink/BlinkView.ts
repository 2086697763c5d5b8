/** Several images on one canvas, one at a time, laid over each other. Their tiles are kept, so that turning to another asks for nothing. */
import type { ImageName } from "../api/analysis";
import { CanvasView } from "../viewer/CanvasView";
import { after, inverse, type Matrix, SAME } from "../viewer/matrix";
import { lookingAt, Painter } from "../viewer/painter";
import type { LinearWcs } from "../viewer/sky";
import type { Display } from "../viewer/stretch";
import { type Tile, TileStore } from "../viewer/tileStore";
import { levelFor, type TilePlace, tilesSeen, type Tiling } from "../viewer/tiling";
import { type Box, boxAround, overlap, stretchAt, toReference } from "./sameSky";

/** Bytes of tiles that are kept of all images together, here and on the graphics card. */
const ROOM = 384 * 1024 * 1024;
/** Images whose tiles are asked for at once: the one that is looked at, and the next. */
const LOADING_AT_ONCE = 2;

export interface BlinkImage {
  image: ImageName;
  tiling: Tiling;
  wcs: LinearWcs | null;
}

/** How an image lies: over the others on the sky, by its pixels only, or where nothing of the first one is. */
export type Lie = "sky" | "pixels" | "elsewhere";

interface Slide extends BlinkImage {
  /** From its pixels to those of the first image that has coordinates. */
  matrix: Matrix;
  lie: Lie;
  store: TileStore;
  /** What went wrong with its tiles since the view was changed. */
  problem: string;
}

export class BlinkView extends CanvasView {
  readonly reference: BlinkImage;
  private readonly painter: Painter;
  private readonly slides: Slide[];
  private shown = 0;
  private displays: readonly Display[];

  constructor(
    canvas: HTMLCanvasElement,
    images: readonly BlinkImage[],
    displays: readonly Display[],
    /** Called after each drawing. */
    private readonly drawn: () => void,
  ) {
    const reference = images.find(({ wcs }) => wcs !== null) ?? images[0];
    if (reference === undefined) throw new Error("There is no image to show.");
    super(canvas, reference.tiling);
    this.reference = reference;
    this.displays = displays;
    this.painter = new Painter(canvas);
    this.slides = images.map((image) => this.slideOf(image, ROOM / images.length));
    this.changed();
  }

  get current(): number {
    return this.shown;
  }

  get lies(): Lie[] {
    return this.slides.map(({ lie }) => lie);
  }

  get problems(): string[] {
    return this.slides.map(({ problem }) => problem);
  }

  /** Which images are here as sharp as they are shown. */
  get ready(): boolean[] {
    return this.slides.map((slide) => this.needs(slide).every((place) => slide.store.has(place)));
  }

  /** Whether memory allows only for less than the screen could show. */
  get isCoarser(): boolean {
    const slide = this.slides[this.shown];
    return slide !== undefined && this.levelOf(slide) > this.sharpest(slide);
  }

  override close(): void {
    super.close();
    for (const { store } of this.slides) store.close();
    this.painter.close();
  }

  /** Shows another image, at once. */
  turnTo(number: number): void {
    this.shown = number;
    this.paintNow();
  }

  /** Shows the images otherwise, each by its own limits, colours and stretch. */
  show(displays: readonly Display[]): void {
    this.displays = displays;
    this.changed();
  }

  private slideOf(image: BlinkImage, room: number): Slide {
    const { wcs: base, tiling } = this.reference;
    const matrix = image.wcs !== null && base !== null ? toReference(image.wcs, base) : null;
    const around = matrix === null ? null : boxAround(matrix, wholeBox(image.tiling));
    const over = around !== null && overlap(around, wholeBox(tiling));
    const slide: Slide = {
      ...image,
      matrix: matrix ?? SAME,
      lie: matrix === null ? "pixels" : over ? "sky" : "elsewhere",
      store: new TileStore(image.image, image.tiling, {
        arrived: () => {
          slide.problem = "";
          this.changed();
        },
        forgotten: (tile) => this.painter.forget(tile),
        failed: (problem) => {
          slide.problem = problem;
          this.changed();
        },
        room,
      }),
      problem: "",
    };
    return slide;
  }

  /** Another part is looked at: what could not be had may be had now. */
  protected override moved(): void {
    for (const slide of this.slides) slide.problem = "";
    this.changed();
  }

  /** Returns the part of an image that is seen, in its pixels; null if nothing of it is. */
  private seen({ matrix, tiling }: Slide): Box | null {
    const half = { x: this.canvas.width / 2 / this.view.scale, y: this.canvas.height / 2 / this.view.scale };
    const { x, y } = this.view;
    const screen = { left: x - half.x, right: x + half.x, bottom: y - half.y, top: y + half.y };
    const box = boxAround(inverse(matrix), screen) ?? wholeBox(tiling); // a part of the screen may be behind the sky
    return overlap(box, wholeBox(tiling)) ? box : null;
  }

  private sharpest({ matrix, tiling }: Slide): number {
    const size = wholeBox(tiling);
    return levelFor(tiling, this.view.scale * stretchAt(matrix, size.right / 2, size.top / 2));
  }

  /** Returns the level to show: the sharpest of which all that is seen has room. */
  private levelOf(slide: Slide): number {
    const last = slide.tiling.levels.length - 1;
    const box = this.seen(slide);
    let level = this.sharpest(slide);
    while (box !== null && level < last && placesIn(slide.tiling, level, box).length * bytesOfTile(slide.tiling, level) > ROOM / this.slides.length) level++;
    return level;
  }

  private needs(slide: Slide): TilePlace[] {
    const box = this.seen(slide);
    return box === null ? [] : placesIn(slide.tiling, this.levelOf(slide), box);
  }

  protected override paint(): void {
    this.preload();
    this.painter.clear();
    const slide = this.slides[this.shown];
    const display = this.displays[this.shown];
    if (slide !== undefined && display !== undefined) {
      const { x, y, scale } = this.view;
      const toClip = after(lookingAt(x, y, scale, this.canvas.width, this.canvas.height), slide.matrix);
      this.painter.draw(this.tilesOf(slide), slide.tiling, toClip, display);
    }
    this.drawn();
  }

  /** Returns what is here to be drawn, the coarsest first. */
  private tilesOf(slide: Slide): Tile[] {
    const box = this.seen(slide);
    if (box === null) return [];
    const found: Tile[] = [];
    const level = this.levelOf(slide);
    const sharp = placesIn(slide.tiling, level, box).map((place) => slide.store.get(place));
    if (sharp.some((tile) => tile === undefined)) {
      for (let coarser = slide.tiling.levels.length - 1; coarser > level; coarser--) {
        for (const place of placesIn(slide.tiling, coarser, box)) {
          const tile = slide.store.get(place);
          if (tile !== undefined) found.push(tile);
        }
      }
    }
    return [...found, ...sharp.filter((tile) => tile !== undefined)];
  }

  /** Asks for what is missing, from the image that is looked at on. */
  private preload(): void {
    let loading = 0;
    for (let step = 0; step < this.slides.length && loading < LOADING_AT_ONCE; step++) {
      const slide = this.slides[(this.shown + step) % this.slides.length];
      if (slide === undefined || slide.problem !== "") continue;
      const needs = this.needs(slide);
      if (needs.every((place) => slide.store.has(place))) continue;
      slide.store.want(needs);
      loading++;
    }
  }
}

function wholeBox(tiling: Tiling): Box {
  const size = tiling.levels[0] ?? { width: 1, height: 1 };
  return { left: 0, bottom: 0, right: size.width, top: size.height };
}

function placesIn(tiling: Tiling, level: number, box: Box): TilePlace[] {
  const view = { x: (box.left + box.right) / 2, y: (box.bottom + box.top) / 2, scale: 1 };
  return tilesSeen(tiling, level, view, box.right - box.left, box.top - box.bottom);
}

/** Codes of level 0 have two bytes, values of the others four. */
function bytesOfTile(tiling: Tiling, level: number): number {
  return tiling.tile_px ** 2 * (level === 0 ? 2 : 4);
}
