// Where something was scrolled to, for a reader who comes back to a page with the browser's Back. The history's entry keeps it,
// so a link to the same page begins at its top.

import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

interface Place {
  left: number;
  top: number;
}

const PATIENCE_MS = 5000; // so long may it take to load what was there

function places(): Record<string, Place> {
  const state: unknown = history.state;
  const held = (state as { places?: unknown } | null)?.places;
  return typeof held === 'object' && held !== null ? (held as Record<string, Place>) : {};
}

/**
 * Remember where `scroller` is scrolled to, and scroll there again when its content is long enough. `ready`: the element is
 * there. If the reader scrolls meanwhile, nothing moves.
 */
export function useScrollMemory(name: string, scroller: RefObject<HTMLElement | null>, ready: boolean): void {
  useEffect(() => {
    const element = scroller.current;
    if (!ready || !element) return;
    const wanted = places()[name];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const note = () => {
      timer = undefined;
      const place = { left: element.scrollLeft, top: element.scrollTop };
      history.replaceState({ ...(history.state as object | null), places: { ...places(), [name]: place } }, '');
    };
    const noteSoon = () => void (timer ??= setTimeout(note, 150));
    const stop = new AbortController();
    const until = performance.now() + PATIENCE_MS;
    const bring = () => {
      if (stop.signal.aborted || !wanted) return;
      element.scrollTo(wanted.left, wanted.top);
      if (Math.abs(element.scrollTop - wanted.top) > 2 && performance.now() < until) requestAnimationFrame(bring);
      else stop.abort();
    };
    for (const own of ['wheel', 'pointerdown', 'keydown', 'touchstart']) {
      element.addEventListener(own, () => stop.abort(), { passive: true, signal: stop.signal });
    }
    bring();
    element.addEventListener('scroll', noteSoon, { passive: true });
    element.addEventListener('click', note, { capture: true }); // the click may be on a link
    return () => {
      stop.abort();
      clearTimeout(timer);
      element.removeEventListener('scroll', noteSoon);
      element.removeEventListener('click', note, { capture: true });
    };
  }, [name, ready]);
}
