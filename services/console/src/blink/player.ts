/** Turns to one image after the other, so many times a second; those that are not here yet are passed over. */

/** Returns the next one that is ready, in a direction; the same if there is no other. */
export function nextReady(current: number, ready: readonly boolean[], direction: 1 | -1): number {
  const count = ready.length;
  for (let step = 1; step < count; step++) {
    const number = (((current + direction * step) % count) + count) % count;
    if (ready[number] === true) return number;
  }
  return current;
}

/** Calls `turn` so many times a second, in time with the screen, until what it returns is called. */
export function play(perSecond: () => number, turn: () => void): () => void {
  let due = performance.now();
  let waiting = requestAnimationFrame(function tick(now) {
    if (now >= due) {
      turn();
      // What was missed is not made up for.
      due = Math.max(due + 1000 / perSecond(), now);
    }
    waiting = requestAnimationFrame(tick);
  });
  return () => cancelAnimationFrame(waiting);
}
