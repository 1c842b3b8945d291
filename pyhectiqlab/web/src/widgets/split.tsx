// Two panes side by side, with a divider that is dragged, or moved with the arrow keys.

import type { ComponentChildren, TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { useRef } from 'preact/hooks';
import { LEAST, setSplitShare, splitShare, USUAL } from '../state/splitshare';
import { useStore } from '../state/store';

const STEP = 2;

/** `right` null: the left pane has all the room, and the other way round. */
export function Split({ label, left, right }: { label: string; left: ComponentChildren; right: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const share = useStore(splitShare);
  const drag = (e: TargetedPointerEvent<HTMLDivElement>) => {
    if (!e.currentTarget.hasPointerCapture(e.pointerId)) return;
    const { left: from, width } = box.current!.getBoundingClientRect();
    setSplitShare(((e.clientX - from) / width) * 100);
  };
  const onKeyDown = (e: TargetedKeyboardEvent<HTMLDivElement>) => {
    const to = { ArrowLeft: share - STEP, ArrowRight: share + STEP, Home: LEAST, End: 100 - LEAST }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    setSplitShare(to);
  };
  const both = left !== null && right !== null;
  return (
    <div ref={box} class={both ? 'split split-both' : 'split'} style={both ? { '--share': `${share}%` } : {}}>
      {left !== null && <div class="split-left">{left}</div>}
      {both && (
        <div
          class="divider"
          role="separator"
          aria-orientation="vertical"
          aria-label={label}
          aria-valuemin={LEAST}
          aria-valuemax={100 - LEAST}
          aria-valuenow={Math.round(share)}
          tabIndex={0}
          title="Drag, or move with the arrow keys; double-click to reset it"
          onPointerDown={(e) => (e.preventDefault(), e.currentTarget.focus(), e.currentTarget.setPointerCapture(e.pointerId))}
          onPointerMove={drag}
          onDblClick={() => setSplitShare(USUAL)}
          onKeyDown={onKeyDown}
        />
      )}
      {right !== null && <div class="split-right">{right}</div>}
    </div>
  );
}

/**
 * Return the element that scrolls the pane of an element; null: the window. Whoever waits until something comes into sight needs
 * it.
 */
export function scrollerOf(element: Element): Element | null {
  const pane = element.closest('.split-right');
  return pane && getComputedStyle(pane).overflowY === 'auto' ? pane : null;
}
