// A histogram: the bars of one step, and all steps as a heat map in which one can be chosen.

import { useEffect, useMemo, useRef } from 'preact/hooks';
import { barsOf, heatMap, outsideOf } from '../base/bins';
import { formatValue, nounFor } from '../base/format';
import type { HistogramAnswer, MediaItemAnswer } from '../schema/lab';

const HEIGHT = 160;
const ROWS = 64;

export function Bars({ histogram, label }: { histogram: HistogramAnswer; label: string }) {
  const bars = useMemo(() => barsOf(histogram), [histogram]);
  const outside = outsideOf(histogram);
  const { edges, counts } = histogram;
  const total = counts.reduce((a, b) => a + b, 0);
  return (
    <figure class="histogram">
      {bars.length > 0 ? (
        <>
          <svg viewBox="0 0 1 1" preserveAspectRatio="none" height={HEIGHT} role="img" aria-label={label}>
            {bars.map((bar, i) => (
              <g key={i}>
                <rect class="bar" x={bar.x} y={1 - bar.height} width={bar.width} height={bar.height} />
                <rect class="bar-room" x={bar.x} y={0} width={bar.width} height={1}><title>{bar.label}</title></rect>
              </g>
            ))}
          </svg>
          <figcaption class="ends">
            <span class="num">{formatValue(edges[0]!)}</span>
            <span class="dim">{formatValue(total)} {nounFor(total, 'value')}, at most {formatValue(Math.max(...counts))} in a bin</span>
            <span class="num">{formatValue(edges[edges.length - 1]!)}</span>
          </figcaption>
        </>
      ) : (
        <p class="dim">No finite value.</p>
      )}
      {outside && <p class="outside">Not in the bins: {outside}</p>}
    </figure>
  );
}

interface OverStepsProps {
  items: readonly MediaItemAnswer[];
  chosen: number | null; // a step
  onPick: (step: number | null) => void;
  label: string;
}

export function OverSteps({ items: all, chosen, onPick, label }: OverStepsProps) {
  const items = useMemo(() => all.filter((i) => i.histogram), [all]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useMemo(() => heatMap(items.flatMap((i) => (i.histogram ? [i.histogram] : [])), ROWS), [items]);
  const at = items.findIndex((i) => i.step === chosen);
  useEffect(() => {
    if (!map || !canvas.current) return;
    draw(canvas.current, map.cells, items.length, ROWS);
  }, [map]);
  if (!map) return null;
  return (
    <figure class="histogram over-steps">
      <div class="heat">
        <canvas
          ref={canvas}
          width={items.length}
          height={ROWS}
          style={{ height: `${HEIGHT}px` }}
          role="img"
          aria-label={label}
          onClick={(e) => {
            const box = e.currentTarget.getBoundingClientRect();
            const i = Math.floor(((e.clientX - box.left) / box.width) * items.length);
            onPick(items[Math.min(items.length - 1, Math.max(0, i))]!.step);
          }}
        />
        {at >= 0 && <i class="heat-mark" style={{ left: `${(at / items.length) * 100}%`, width: `${100 / items.length}%` }} />}
        <span class="heat-high num">{formatValue(map.high)}</span>
        <span class="heat-low num">{formatValue(map.low)}</span>
      </div>
      <figcaption class="ends">
        <span class="num">{items[0]!.step ?? 'no step'}</span>
        <span class="dim">step</span>
        <span class="num">{items[items.length - 1]!.step ?? 'no step'}</span>
      </figcaption>
    </figure>
  );
}

/** Draw a pixel for each cell; the browser enlarges it. A cell that is not empty is always visible. */
function draw(canvas: HTMLCanvasElement, cells: Float64Array, columns: number, rows: number): void {
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(columns, rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const value = cells[column * rows + row]!;
      const at = ((rows - 1 - row) * columns + column) * 4;
      image.data.set([84, 118, 247, value > 0 ? 40 + 215 * Math.sqrt(value) : 0], at);
    }
  }
  context.putImageData(image, 0, 0);
}
