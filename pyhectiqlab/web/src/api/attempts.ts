// The attempts of a run: the moments that count as 0 of their relative time.

import { call } from './http';

const LIMIT = 1000;

/** Return by attempt the moment in seconds since 1970, for the attempts that reported a metric. */
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
