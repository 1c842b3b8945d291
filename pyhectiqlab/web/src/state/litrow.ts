// The charts bring the run of the row under the pointer to the front; the row of a line under the pointer is marked.

import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import { highlighted } from './highlight';

/** `scroller`: contains a table whose rows name their run, `tr[data-run]`. */
export function useLitRow(scroller: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = scroller.current!;
    const rowOf = (e: Event) => (e.target as Element).closest<HTMLElement>('tr[data-run]')?.dataset['run'] ?? null;
    const over = (e: Event) => highlighted.set(rowOf(e));
    const out = () => highlighted.set(null);
    element.addEventListener('pointerover', over);
    element.addEventListener('pointerleave', out);
    element.addEventListener('focusin', over);
    element.addEventListener('focusout', out);
    // Without Preact: drawing the table at each move of the pointer would be slow.
    const mark = () => {
      for (const row of element.querySelectorAll<HTMLElement>('tr[data-run]')) row.toggleAttribute('data-lit', row.dataset['run'] === highlighted.value);
    };
    const forget = highlighted.subscribe(mark);
    return () => {
      forget();
      highlighted.set(null);
      element.removeEventListener('pointerover', over);
      element.removeEventListener('pointerleave', out);
      element.removeEventListener('focusin', over);
      element.removeEventListener('focusout', out);
    };
  }, []);
}
