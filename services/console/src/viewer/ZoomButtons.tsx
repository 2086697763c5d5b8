import type { CanvasView } from "./CanvasView";

export function ZoomButtons({ view }: { view: CanvasView | null }) {
  return (
    <div class="zooms" role="group" aria-label="Zoom">
      <button type="button" onClick={() => view?.zoom(1.5)} aria-label="Zoom in">+</button>
      <button type="button" onClick={() => view?.zoom(1 / 1.5)} aria-label="Zoom out">−</button>
      <button type="button" onClick={() => view?.showAll()}>Fit</button>
      <button type="button" onClick={() => view?.showPixels()}>1 : 1</button>
    </div>
  );
}
