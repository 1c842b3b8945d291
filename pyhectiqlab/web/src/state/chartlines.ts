// The lines of metrics and of formulas for panels. The key of a panel that begins with = is a formula.

import type { BucketQuery } from '../api/columns';
import { fetchFormula } from '../api/formulas';
import { ApiError } from '../api/http';
import type { Buckets } from '../base/buckets';
import { fetchSeries } from './systemsteps';

export const formulaKey = (formula: string) => `=${formula}`;
export const isFormula = (key: string) => key.startsWith('=');

const problems = new Map<string, string>();

/** Return in words why a formula has no lines; '': nothing is wrong with it. */
export const problemOf = (key: string) => problems.get(key) ?? '';

/** Load lines, as fetchBuckets does. A wrong formula does not stop the other panels: see `problemOf`. */
export async function fetchLines(selectors: readonly { run: string; key: string }[], query: BucketQuery, signal: AbortSignal): Promise<Buckets[]> {
  const formulas = [...new Set(selectors.map((s) => s.key).filter(isFormula))];
  const others = selectors.filter((s) => !isFormula(s.key));
  const answers = await Promise.all([
    others.length ? fetchSeries(others, query, signal) : [],
    ...formulas.map((key) => ofFormula(key, selectors.filter((s) => s.key === key).map((s) => s.run), query, signal)),
  ]);
  return answers.flat();
}

async function ofFormula(key: string, runs: readonly string[], query: BucketQuery, signal: AbortSignal): Promise<Buckets[]> {
  problems.delete(key);
  if (query.axis !== 'step') {
    problems.set(key, 'A formula is drawn over steps.');
    return [];
  }
  try {
    return (await fetchFormula(key.slice(1), runs, query, signal)).map((b) => ({ ...b, key }));
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 422) throw e;
    problems.set(key, e.message);
    return [];
  }
}
