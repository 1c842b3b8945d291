// Panels are arranged by hand: dragged by their name to the place of another one, sized by a corner. The menu does both, too.

import { useRef, useState } from 'preact/hooks';
import type { TargetedDragEvent, TargetedPointerEvent } from 'preact';
import { SIZES, type Size } from '../base/boardsettings';

export const HEIGHTS: Record<Size, number> = { S: 196, M: 280, L: 400 }; // px

/** Where a panel stands among those of its section. `earlier`, `later`: null at the ends. */
export interface Place {
  section: string;
  earlier: (() => void) | null;
  later: (() => void) | null;
  /** Another panel of the section is put here. */
  drop: (name: string) => void;
}

let dragged: { section: string; name: string } | null = null;

/** What the name of a panel and the panel itself need to be dragged, and to be dropped on. `place` null: it cannot be moved. */
export function useDragging(name: string, place: Place | null) {
  const [over, setOver] = useState(false);
  if (!place) return { handle: {}, target: {} };
  const takes = () => dragged !== null && dragged.section === place.section && dragged.name !== name;
  return {
    handle: {
      draggable: true,
      onDragStart: (e: TargetedDragEvent<HTMLElement>) => {
        dragged = { section: place.section, name };
        e.dataTransfer!.effectAllowed = 'move';
        e.dataTransfer!.setData('text/plain', name);
      },
      onDragEnd: () => void (dragged = null),
    },
    target: {
      'data-over': over,
      onDragOver: (e: TargetedDragEvent<HTMLElement>) => {
        if (!takes()) return;
        e.preventDefault();
        setOver(true);
      },
      onDragLeave: () => setOver(false),
      onDrop: (e: TargetedDragEvent<HTMLElement>) => {
        setOver(false);
        if (!takes()) return;
        e.preventDefault();
        place.drop(dragged!.name);
        dragged = null;
      },
    },
  };
}

/** The corner of a panel: dragged down or up, it has the size whose height is nearest. */
export function Grip({ size = 'S', onSize }: { size?: Size | undefined; onSize: (size: Size) => void }) {
  const from = useRef<{ y: number; height: number } | null>(null);
  const move = (e: TargetedPointerEvent<HTMLSpanElement>) => {
    if (!from.current) return;
    const wanted = from.current.height + e.clientY - from.current.y;
    const nearest = SIZES.reduce((best, s) => (Math.abs(HEIGHTS[s] - wanted) < Math.abs(HEIGHTS[best] - wanted) ? s : best), SIZES[0] as Size);
    if (nearest !== size) onSize(nearest);
  };
  return (
    <span
      class="panel-grip"
      aria-hidden="true"
      title="Drag: S, M, L"
      onPointerDown={(e) => {
        e.preventDefault();
        e.currentTarget.setPointerCapture(e.pointerId);
        from.current = { y: e.clientY, height: HEIGHTS[size] };
      }}
      onPointerMove={move}
      onPointerUp={() => (from.current = null)}
      onPointerCancel={() => (from.current = null)}
    />
  );
}
