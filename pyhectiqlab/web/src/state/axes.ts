// The metrics that the drawn runs want to be drawn over another one, and those of them that cannot be.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../api/calls';
import type { XAxes } from '../base/xaxes';
import { useLoad } from './load';

const RUNS_MAX = 100; // the most that the lab answers at once
const NONE: XAxes = {};

/** `left`: metrics that are drawn over the page's axis after all, because nothing else of them can be drawn. */
export function useAxes(runs: readonly string[]): { of: XAxes; left: ReadonlySet<string>; leave: (key: string) => void; refresh: () => void } {
  const some = runs.slice(0, RUNS_MAX);
  const name = some.join();
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const { data, refresh } = useLoad(async (signal) => (some.length ? (await api.axes(some, signal)).axes : NONE), [name]);
  useEffect(() => setLeft(new Set()), [name]);
  const content = JSON.stringify(data ?? NONE);
  const of = useMemo(() => data ?? NONE, [content]); // the same object as long as its content is the same
  return { of, left, leave: (key) => setLeft((before) => (before.has(key) ? before : new Set([...before, key]))), refresh };
}
