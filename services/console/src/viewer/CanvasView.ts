/** What part of something is seen on a canvas. Draws when something has changed, once for each frame. */
import { type Tiling, type View, wholeImage, zoomedAt } from "./tiling";

export const LARGEST_PIXEL = 64;

export abstract class CanvasView {
  view: View;
  private waiting = 0;

  constructor(
    protected readonly canvas: HTMLCanvasElement,
    /** Of the image whose pixels places are told in. */
    protected readonly base: Tiling,
  ) {
    this.giveSize();
    this.view = wholeImage(base, canvas.width, canvas.height);
  }

  close(): void {
    cancelAnimationFrame(this.waiting);
  }

  /** Gives the canvas as many pixels as it has on the screen. */
  fit(): void {
    if (this.giveSize()) this.moved();
  }

  showAll(): void {
    this.view = wholeImage(this.base, this.canvas.width, this.canvas.height);
    this.moved();
  }

  /** Shows each pixel of the image as one of the screen. */
  showPixels(): void {
    this.view = { ...this.view, scale: 1 };
    this.moved();
  }

  /** Moves the image by so many pixels of the screen, to the right and up. */
  pan(dx: number, dy: number): void {
    this.view = { ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y - dy / this.view.scale };
    this.moved();
  }

  /** Zooms around a place of the canvas, in its pixels from the middle, to the right and up. */
  zoom(factor: number, atX = 0, atY = 0): void {
    const all = wholeImage(this.base, this.canvas.width, this.canvas.height).scale;
    this.view = zoomedAt(this.view, factor, atX, atY, [Math.min(all / 2, 1), LARGEST_PIXEL]);
    this.moved();
  }

  /** Returns the image pixel at a place of the canvas, whole numbers at lower left edges; it may be outside. */
  pixelAt(atX: number, atY: number): { x: number; y: number } {
    return { x: this.view.x + atX / this.view.scale, y: this.view.y + atY / this.view.scale };
  }

  /** Another part is looked at. */
  protected moved(): void {
    this.changed();
  }

  protected changed(): void {
    if (this.waiting !== 0) return;
    this.waiting = requestAnimationFrame(() => this.paintNow());
  }

  protected paintNow(): void {
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    this.paint();
  }

  protected abstract paint(): void;

  private giveSize(): boolean {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }
}
