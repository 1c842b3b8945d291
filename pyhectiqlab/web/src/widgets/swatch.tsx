// The look of a line, beside its name: its colour, and its dash if it has one.

import type { Look } from '../base/looks';

export function Swatch({ color, dash }: Look) {
  if (!dash.length) return <i style={{ background: color }} />;
  return (
    <svg class="swatch" width={28} height={9} aria-hidden="true">
      <line x1={0} x2={28} y1={4.5} y2={4.5} stroke={color} stroke-width={2.5} stroke-dasharray={dash.join(' ')} />
    </svg>
  );
}
