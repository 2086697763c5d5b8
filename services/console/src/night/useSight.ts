/** Which part of a long list is in sight, and that it stays there while the list changes. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** The width of an element, in CSS pixels; 0 until it is known. */
export function useWidth(place: RefObject<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    setWidth(element.clientWidth);
    const sized = new ResizeObserver(() => setWidth(element.clientWidth));
    sized.observe(element);
    return () => sized.disconnect();
  }, []);
  return width;
}

/**
 * Returns the part of an element in sight, with as much again before and after, from its top in CSS pixels.
 *
 * It changes in steps, so that scrolling draws seldom.
 */
export function useSight(place: RefObject<HTMLElement>): [number, number] {
  const [sight, setSight] = useState<[number, number]>([0, 2 * innerHeight]);
  useEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      const element = place.current;
      if (element === null) return;
      const step = Math.max(100, innerHeight / 2);
      const from = (Math.floor(-element.getBoundingClientRect().top / step) - 2) * step;
      const until = from + 4 * step + 2 * innerHeight;
      setSight((former) => (former[0] === from && former[1] === until ? former : [from, until]));
    };
    const soon = () => (asked ||= requestAnimationFrame(look));
    look();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    const sized = new ResizeObserver(soon);
    sized.observe(document.body);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
      sized.disconnect();
    };
  }, []);
  return sight;
}

/**
 * Keeps what is at the top of the window where it is, whatever comes or goes above it.
 *
 * @param at the name of what is at a height of the list, from its top
 * @param topOf where something of this name is now, null if it is gone
 * @param above what stands above the list, and may grow
 */
export function useAnchor(
  place: RefObject<HTMLElement>,
  above: RefObject<HTMLElement>,
  at: (height: number) => string | null,
  topOf: (name: string) => number | null,
): void {
  const anchor = useRef<{ name: string; fromWindow: number } | null>(null);
  const ways = useRef({ at, topOf });
  ways.current = { at, topOf };

  const look = () => {
    const top = place.current?.getBoundingClientRect().top ?? 0;
    const name = top >= 0 ? null : ways.current.at(-top);
    const where = name === null ? null : ways.current.topOf(name);
    anchor.current = name === null || where === null ? null : { name, fromWindow: top + where };
  };
  const mend = () => {
    const held = anchor.current;
    const element = place.current;
    const where = held === null ? null : ways.current.topOf(held.name);
    if (held === null || element === null || where === null) return;
    const moved = element.getBoundingClientRect().top + where - held.fromWindow;
    if (Math.abs(moved) >= 1) scrollBy({ top: moved, behavior: "instant" });
  };

  useLayoutEffect(mend);
  useEffect(() => {
    look();
    addEventListener("scroll", look, { passive: true });
    const sized = new ResizeObserver(mend);
    if (above.current !== null) sized.observe(above.current);
    return () => {
      removeEventListener("scroll", look);
      sized.disconnect();
    };
  }, []);
}
