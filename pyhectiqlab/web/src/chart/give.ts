// A chart as text, to be taken along: its numbers as CSV, and Python code that reads the same ones.

import type { BucketQuery } from '../api/columns';
import type { Axis } from '../base/axis';
import { axisScale, type Curve } from './series';

/** Return a row for each bucket in sight as it is drawn: its ends on the axis (steps, or seconds), and its numbers in full. */
export function csvOf(curves: readonly Curve[], axis: Axis, [lo, hi]: readonly [number, number]): string {
  const scale = axisScale(axis);
  const smoothed = curves.some((c) => c.buckets.smoothed);
  const head = ['run', 'name', 'key', 'rank', 'attempt', `${axis}_from`, `${axis}_to`, 'points', 'min', 'max', 'mean', 'last', `last_${axis}`, 'nan', 'pinf', 'ninf'];
  const rows = [smoothed ? [...head, 'smoothed'] : head];
  for (const { run, name, x, buckets: b } of curves)
    for (let i = 0; i < x.length; i++) {
      if (x[i]! < lo || x[i]! > hi) continue;
      const place = (value: number) => String(scale === 1 ? value : value / 1e6);
      const last = b.exactX && scale === 1 ? String(b.exactX[i]!) : place(b.lastX[i]!);
      const numbers = [b.min, b.max, b.mean, b.last].map((column) => String(column[i]!));
      const row = [run, name, b.key, b.rank ?? '', b.attempt ?? '', place(b.start[i]!), place(b.start[i]! + b.width - 1), b.count[i]!, ...numbers, last, b.nan[i]!, b.pinf[i]!, b.ninf[i]!];
      rows.push([...row.map(String), ...(smoothed ? [b.smoothed ? String(b.smoothed[i]!) : ''] : [])]);
    }
  return csvText(rows);
}

export function csvText(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.map(cell).join(',')).join('\n') + '\n';
}

function cell(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return Python code that reads the same buckets. Their grid belongs to all lines of a key, so the code states its ends. */
export function pythonOf(curves: readonly Curve[], query: BucketQuery): string {
  const lines = curves.map(({ run, name, buckets: b }) => {
    const same = curves.filter((c) => c.buckets.key === b.key);
    // The page has placed them at steps; the lab has them by time.
    const timed = query.axis === 'step' && b.key.startsWith('system/');
    const options = [
      `n=${query.n}`,
      ...(query.axis === 'step' && !timed ? [] : [`axis=${quoted(timed ? 'time' : query.axis)}`]),
      ...(timed ? [] : [`lo=${query.lo ?? Math.min(...same.map((c) => c.buckets.start[0]!))}`, `hi=${query.hi ?? Math.max(...same.map((c) => c.buckets.start.at(-1)! + c.buckets.width - 1))}`]),
      ...(b.rank === null ? [] : [`rank=${b.rank}`]),
      ...(b.attempt === null ? [] : [`attempt=${b.attempt}`]),
      ...(b.key.startsWith('system/') && query.axis !== 'relative' && b.attempt === null ? ['attempts="all"'] : []),
      ...(query.smooth && !timed ? [`smooth=(${quoted(query.smooth.kind)}, ${query.smooth.width})`] : []),
    ];
    return `    ${quoted(name)}: Run.existing(${quoted(run)}).buckets(${[quoted(b.key), ...options].join(', ')}),\n`;
  });
  const value = query.smooth ? 'smoothed' : 'mean';
  return `from pyhectiqlab import Run

lines = {
${lines.join('')}}
for name, line in lines.items():
    print(name, list(zip(line.last_x, line.${value})))  # also min, max, last, count
`;
}

/** Return a text of Python. The escapes of JSON are also those of Python. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
