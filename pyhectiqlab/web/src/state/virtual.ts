// Virtual scrolling: which of very many rows of the same height are on the screen. It binds TanStack's core to Preact.

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer, type VirtualizerOptions } from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useLayoutEffect, useReducer, useState } from 'preact/hooks';

export interface Visible {
  first: number;
  last: number; // inclusive; less than `first` if there are no rows
  before: number; // pixels of the rows before the first
  behind: number; // pixels of the rows after the last
}

/** `height`: that of a row, in pixels. */
export function useVirtual(scroller: RefObject<HTMLElement | null>, count: number, height: number, overscan = 12): Visible {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const options: VirtualizerOptions<HTMLElement, Element> = {
    count,
    overscan,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw(0),
  };
  const [virtualizer] = useState(() => new Virtualizer(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer.measure(), [height]);
  useLayoutEffect(() => virtualizer._willUpdate());
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  return { first, last, before: first * height, behind: Math.max(0, count - 1 - last) * height };
}
