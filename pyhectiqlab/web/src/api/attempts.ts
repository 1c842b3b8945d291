// The attempts of a run: where the relative time of each is 0.

import { call } from './http';

const LIMIT = 1000;

/** By attempt, seconds since 1970; those that reported a metric. */
export async function zerosOf(run: string, signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
  const zeros = new Map<number, number>();
  let after: string | null = null;
  do {
    const page: { items: { attempt: number; zero: number }[]; next: string | null } = await call('GET /runs/{run_id}/attempts', { path: { run_id: run }, query: { limit: LIMIT, after }, signal });
    for (const { attempt, zero } of page.items) zeros.set(attempt, zero);
    after = page.next;
  } while (after !== null);
  return zeros;
}
