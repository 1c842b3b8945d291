// The rows of a table as cards, on a phone: a line with the name, and below it two columns of values with their labels.

import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

const NAME_PX = 50;
const VALUES_PX = 38; // height of a line of two values; media.css has the same
const AROUND_PX = 12;
const BEFORE = 3; // cells of a row before its values: tick, eye, name

/** Return the height of each card, in pixels. */
export function cardHeight(values: number): number {
  return NAME_PX + VALUES_PX * Math.ceil(values / 2) + AROUND_PX;
}

/** The labels above the values: a table of cards has no head. */
export function CardLabels({ labels }: { labels: readonly string[] }) {
  const rules = labels.map((label, i) => `.cards-of-runs tr:is([data-run], .group-row) > :nth-child(${BEFORE + 1 + i})::before { content: ${quoted(label)}; }`);
  return <style>{rules.join('\n')}</style>;
}

/** Return a text as a string of CSS, whatever it contains, even the end of an element. */
function quoted(text: string): string {
  return `"${text.replace(/[^\w /.-]/gu, (c) => `\\${c.codePointAt(0)!.toString(16)} `)}"`;
}

/** Show all of a value when the reader taps on it, as pointing at it does with a mouse. Another tap anywhere hides it. */
export function useTapToRead(scroller: RefObject<HTMLElement | null>, on: boolean): void {
  useEffect(() => {
    const element = scroller.current;
    if (!on || !element) return;
    const tap = (e: Event) => {
      const cell = (e.target as Element).closest('td[title]');
      const open = cell?.hasAttribute('data-read');
      element.querySelectorAll('[data-read]').forEach((other) => other.removeAttribute('data-read'));
      if (cell && !open) cell.setAttribute('data-read', '');
    };
    element.addEventListener('click', tap);
    return () => element.removeEventListener('click', tap);
  }, [on]);
}
