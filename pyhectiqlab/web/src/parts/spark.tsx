// A small picture of a metric's curve in one run, for a row of a table.

import { useEffect, useState } from 'preact/hooks';
import type { Buckets } from '../base/buckets';
import { sparkPath } from '../base/sparkpath';
import { wantSpark } from '../state/sparks';

const SIZE = [72, 20] as const; // px

export function Spark({ run, metric, points, color }: { run: string; metric: string; points: number; color: string | undefined }) {
  const [line, setLine] = useState<Buckets | null>(null);
  useEffect(() => wantSpark(run, metric, points, setLine), [run, metric, points]);
  return (
    <svg class="spark" width={SIZE[0]} height={SIZE[1]} aria-hidden="true">
      {line && <path d={sparkPath(line.lastX, line.mean, SIZE[0], SIZE[1])} stroke={color ?? 'var(--dim)'} />}
    </svg>
  );
}
