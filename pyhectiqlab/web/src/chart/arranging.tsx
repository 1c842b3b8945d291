// Arranging panels by hand: a panel is dragged by its name to the place of another one, and sized by two edges and their corner.
// The menu does both, too.

import { useRef, useState } from 'preact/hooks';
import type { TargetedDragEvent, TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { describeSize, FIRST_SIZE, resized, ROW, sizeOf, writeSize, type PanelSize } from '../base/panelsize';

/** The place of a panel among those of its section. `earlier`, `later`: null at the ends. */
export interface Place {
  section: string;
  earlier: (() => void) | null;
  later: (() => void) | null;
  /** Put another panel of the section here. */
  drop: (name: string) => void;
}

let dragged: { section: string; name: string } | null = null;

/**
 * Return what the name of a panel and the panel itself need to be dragged, and to be dropped on. `place` null: the panel cannot
 * be moved.
 */
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

const EDGES = ['right', 'bottom'] as const;
type Sides = (typeof EDGES)[number] | 'both';

interface GripProps {
  of: string;
  size: string | undefined;
  /** How many columns the panel takes now: no more than there are. */
  span: number;
  onSize: (size: string | undefined) => void;
}

/**
 * The right and the lower edge of a panel, and the corner between them. The panel takes the columns and rows that they are
 * dragged over. At the corner, an arrow key adds or removes one, and 0 restores the first size.
 */
export function Grip({ of, size, span, onSize }: GripProps) {
  const from = useRef<{ x: number; y: number; size: PanelSize; column: number; sides: Sides } | null>(null);
  const [held, setHeld] = useState<Sides | null>(null);
  const now = sizeOf(size);
  const to = (wanted: PanelSize) => {
    const text = writeSize(wanted);
    if (text !== writeSize(now)) onSize(text);
  };
  const move = (e: TargetedPointerEvent<HTMLElement>) => {
    if (!from.current) return;
    const { x, y, size: began, column, sides } = from.current;
    const wider = sides === 'bottom' ? 0 : Math.round((e.clientX - x) / column);
    const higher = sides === 'right' ? 0 : Math.round((e.clientY - y) / ROW);
    // If the panel wants all columns, a smaller number is counted from those that there are.
    const { columns, rows } = resized({ columns: wider ? span0.current : began.columns, rows: began.rows }, wider, higher);
    to({ columns, rows });
  };
  const span0 = useRef(span);
  const key = (e: TargetedKeyboardEvent<HTMLButtonElement>) => {
    const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[e.key] ?? [0, 0];
    if (!right && !down && e.key !== '0') return;
    e.preventDefault();
    e.stopPropagation();
    to(e.key === '0' ? FIRST_SIZE : resized(right ? { ...now, columns: Math.min(now.columns, right < 0 ? span : now.columns) } : now, right!, down!));
  };
  const release = () => ((from.current = null), setHeld(null));
  const dragging = (sides: Sides) => ({
    onPointerDown: (e: TargetedPointerEvent<HTMLElement>) => {
      e.preventDefault(); // so that no text is selected
      e.currentTarget.setPointerCapture(e.pointerId);
      span0.current = span;
      from.current = { x: e.clientX, y: e.clientY, size: now, column: e.currentTarget.parentElement!.offsetWidth / span, sides };
      setHeld(sides);
    },
    onPointerMove: move,
    onPointerUp: release,
    onPointerCancel: release,
  });
  return (
    <>
    {EDGES.map((side) => <div key={side} class="panel-edge" data-side={side} data-held={held === side} aria-hidden="true" {...dragging(side)} />)}
    <button
      class="panel-grip"
      aria-label={`Size of ${of}: ${describeSize(now)}. Arrow keys change it, 0 resets it.`}
      title="Drag, or use the arrow keys: columns and rows"
      onKeyDown={key}
      {...dragging('both')}
    />
    </>
  );
}
