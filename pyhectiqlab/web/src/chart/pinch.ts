// Two fingers on a plot: what lies between them stays between them.

const APART_MIN_PX = 12; // fingers that are nearer to each other count as so far apart

/** Return where the edges of a plot go, in its pixels before: two fingers were at `before`, and are at `now`. */
export function pinched(before: readonly [number, number], now: readonly [number, number], width: number): [number, number] {
  const apart = (left: number, right: number) => Math.max(APART_MIN_PX, right - left);
  const scale = apart(...before) / apart(...now);
  const middle = (at: readonly [number, number]) => (at[0] + at[1]) / 2;
  const left = middle(before) - middle(now) * scale;
  return [left, left + width * scale];
}

interface PinchEvents {
  /** The edges of what is between, in pixels before the two fingers came. */
  move: (left: number, right: number) => void;
  end: () => void;
}

/** Watch the fingers on an element. Return a function that says whether there are two. */
export function watchPinch(element: HTMLElement, events: PinchEvents): () => boolean {
  const fingers = new Map<number, number>(); // the x of each pointer
  let before: [number, number] | null = null;
  const now = () => [...fingers.values()].sort((a, b) => a - b) as [number, number];
  const at = ({ clientX }: PointerEvent) => clientX - element.getBoundingClientRect().left;
  element.addEventListener('pointerdown', (e) => {
    if (e.pointerType !== 'touch') return;
    fingers.set(e.pointerId, at(e));
    before = fingers.size === 2 ? now() : null;
  });
  element.addEventListener('pointermove', (e) => {
    if (!fingers.has(e.pointerId)) return;
    fingers.set(e.pointerId, at(e));
    if (before) events.move(...pinched(before, now(), element.clientWidth));
  });
  const lift = (e: PointerEvent) => {
    if (!fingers.delete(e.pointerId) || !before) return;
    before = null;
    events.end();
  };
  element.addEventListener('pointerup', lift);
  element.addEventListener('pointercancel', lift);
  // Otherwise the browser scrolls the page with two fingers, and we no longer see them.
  element.addEventListener('touchmove', (e) => e.touches.length > 1 && e.cancelable && e.preventDefault(), { passive: false });
  return () => fingers.size > 1;
}
