// Whether nothing moves on the page: nobody scrolls, points or types.

const AFTER_MS = 500;
const TOUCHED = ['scroll', 'wheel', 'pointermove', 'pointerdown', 'touchmove', 'keydown'];

let touched = -Infinity;

const touch = () => void (touched = performance.now());
for (const event of TOUCHED) addEventListener(event, touch, { capture: true, passive: true });

export function isStill(): boolean {
  return performance.now() - touched > AFTER_MS;
}
