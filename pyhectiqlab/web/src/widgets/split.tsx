// Two panes side by side, with a divider that is dragged or moved by the arrow keys. Where it stands is kept in this browser.

import type { ComponentChildren, TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { useRef, useState } from 'preact/hooks';

const KEPT = 'hectiqlab.split';
const LEAST = 15; // percent of the width, of either side
const USUAL = 42; // two charts fit beside it on a screen of 1280 pixels
const STEP = 2;

const bounded = (share: number) => Math.min(100 - LEAST, Math.max(LEAST, share));

function kept(): number {
  try {
    const share = Number(localStorage.getItem(KEPT));
    return share ? bounded(share) : USUAL;
  } catch {
    return USUAL;
  }
}

function keep(share: number): void {
  try {
    localStorage.setItem(KEPT, String(share));
  } catch {
    // Then it holds until the page is closed.
  }
}

/** `right` null: the left has all the room; the other way round. */
export function Split({ label, left, right }: { label: string; left: ComponentChildren; right: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(kept);
  const move = (to: number) => {
    const next = Math.round(bounded(to) * 10) / 10;
    setShare(next);
    keep(next);
  };
  const drag = (e: TargetedPointerEvent<HTMLDivElement>) => {
    if (!e.currentTarget.hasPointerCapture(e.pointerId)) return;
    const { left: from, width } = box.current!.getBoundingClientRect();
    move(((e.clientX - from) / width) * 100);
  };
  const onKeyDown = (e: TargetedKeyboardEvent<HTMLDivElement>) => {
    const to = { ArrowLeft: share - STEP, ArrowRight: share + STEP, Home: LEAST, End: 100 - LEAST }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    move(to);
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
          title="Drag, or move with the arrow keys; double-click: as at first"
          onPointerDown={(e) => (e.preventDefault(), e.currentTarget.focus(), e.currentTarget.setPointerCapture(e.pointerId))}
          onPointerMove={drag}
          onDblClick={() => move(USUAL)}
          onKeyDown={onKeyDown}
        />
      )}
      {right !== null && <div class="split-right">{right}</div>}
    </div>
  );
}

/** What scrolls the pane that an element is in, where that is not the window: whoever waits for something to come into sight asks. */
export function scrollerOf(element: Element): Element | null {
  const pane = element.closest('.split-right');
  return pane && getComputedStyle(pane).overflowY === 'auto' ? pane : null;
}
