// The curve of a metric in each of many runs, for small pictures in a table. The rows on the screen ask for them together.

import { fetchBuckets, SELECTORS_MAX } from '../api/columns';
import { ApiError, UnreachableError } from '../api/http';
import type { Buckets } from '../base/buckets';

const BUCKETS = 48;
const TOGETHER_MS = 30;
const KEPT_MAX = 5000;

interface Kept {
  points: number; // how many the run had when this was asked for
  line: Buckets | null;
}

const kept = new Map<string, Kept>();
const waiting = new Map<string, { run: string; key: string; points: number; tell: Set<(line: Buckets | null) => void> }>();
let timer = 0;

/** Pass the curve of a run with so many points to `tell`, at once if it is known. Return the function that stops this. */
export function wantSpark(run: string, key: string, points: number, tell: (line: Buckets | null) => void): () => void {
  const name = `${run}\n${key}`;
  const known = kept.get(name);
  if (known) tell(known.line);
  if (known?.points === points) return () => {};
  const asked = waiting.get(name) ?? { run, key, points, tell: new Set() };
  asked.points = points;
  asked.tell.add(tell);
  waiting.set(name, asked);
  timer ||= window.setTimeout(() => void ask(), TOGETHER_MS);
  return () => {
    asked.tell.delete(tell);
    if (!asked.tell.size && waiting.get(name) === asked) waiting.delete(name); // the row was scrolled away
  };
}

async function ask(): Promise<void> {
  const some = [...waiting].slice(0, SELECTORS_MAX);
  for (const [name] of some) waiting.delete(name);
  try {
    const query = { axis: 'step', rank: null, attempts: [null], smooth: null, lo: null, hi: null, n: BUCKETS } as const;
    const lines = some.length ? await fetchBuckets(some.map(([, { run, key }]) => ({ run, key })), query, new AbortController().signal) : [];
    const byName = new Map(lines.map((line) => [`${line.run}\n${line.key}`, line]));
    for (const [name, { points, tell }] of some) {
      const line = byName.get(name) ?? null;
      kept.delete(name);
      kept.set(name, { points, line });
      for (const one of tell) one(line);
    }
    for (const name of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT_MAX))) kept.delete(name);
  } catch (e) {
    if (!(e instanceof ApiError || e instanceof UnreachableError)) throw e; // later rows ask again
  } finally {
    timer = waiting.size ? window.setTimeout(() => void ask(), TOGETHER_MS) : 0;
  }
}
