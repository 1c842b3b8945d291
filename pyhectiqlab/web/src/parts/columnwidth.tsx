// The edge of a column's head. Dragging it changes the width.

import type { TargetedPointerEvent } from 'preact';
import { fitting, WIDTH_MAX, WIDTH_MIN } from '../base/columnlayout';

const KEY_PX = 10;

interface Props {
  label: string;
  /** undefined: as wide as its contents. */
  width: number | undefined;
  /** null: the width at first. `done`: the edge is not being dragged any more. */
  onWidth: (px: number | null, done: boolean) => void;
}

export function ColumnWidth({ label, width, onWidth }: Props) {
  const widthAt = (e: TargetedPointerEvent<HTMLElement>) => e.clientX - e.currentTarget.parentElement!.getBoundingClientRect().left;
  return (
    <span
      class="column-width"
      role="separator"
      aria-orientation="vertical"
      aria-label={`Width of ${label}`}
      aria-valuemin={WIDTH_MIN}
      aria-valuemax={WIDTH_MAX}
      aria-valuenow={width ?? WIDTH_MIN}
      aria-valuetext={width === undefined ? 'as wide as what is in it' : `${width} pixels`}
      tabIndex={0}
      title="Drag to change the width; double-click to reset it"
      onPointerDown={(e) => (e.preventDefault(), e.currentTarget.setPointerCapture(e.pointerId))}
      onPointerMove={(e) => e.currentTarget.hasPointerCapture(e.pointerId) && onWidth(fitting(widthAt(e)), false)}
      onPointerUp={(e) => e.currentTarget.hasPointerCapture(e.pointerId) && onWidth(width ?? null, true)}
      onDblClick={() => onWidth(null, true)}
      onKeyDown={(e) => {
        const by = e.key === 'ArrowRight' ? KEY_PX : e.key === 'ArrowLeft' ? -KEY_PX : 0;
        if (!by) return;
        e.preventDefault();
        onWidth(fitting((width ?? e.currentTarget.parentElement!.offsetWidth) + by), true);
      }}
    />
  );
}
