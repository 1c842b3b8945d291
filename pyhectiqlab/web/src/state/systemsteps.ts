// System metrics are measured in time: their step is a second, counted from 0 in each attempt. If the axis is the step, they are
// asked for by time, run by run, and placed at the steps where the training was then.

import { api } from '../api/calls';
import { fetchBuckets, type BucketQuery } from '../api/columns';
import type { Buckets } from '../base/buckets';
import { onSteps, paceOf, timeAt, type StepClock } from '../base/stepclock';

type Selector = { run: string; key: string };

const isSystem = ({ key }: Selector) => key.startsWith('system/');

/** Load series, as fetchBuckets does. Those of one key are in the order of the selectors. */
export async function fetchSeries(selectors: readonly Selector[], query: BucketQuery, signal: AbortSignal): Promise<Buckets[]> {
  const system = selectors.filter(isSystem);
  if (!system.length || query.axis === 'relative') return fetchBuckets(selectors, query, signal);
  const others = selectors.filter((s) => !isSystem(s));
  const runs = [...new Set(system.map(({ run }) => run))];
  const answers = await Promise.all([
    others.length ? fetchBuckets(others, query, signal) : [],
    ...(query.axis === 'time'
      ? [fetchBuckets(system, { ...query, hidden: false }, signal)]
      : runs.flatMap((run) => {
          const its = system.filter((s) => s.run === run);
          return query.attempts.map((attempt) => bySteps(run, attempt, its, query, signal));
        })),
  ]);
  return answers.flat();
}

async function bySteps(run: string, attempt: number | null, selectors: readonly Selector[], query: BucketQuery, signal: AbortSignal): Promise<Buckets[]> {
  const own = { ...query, attempts: [attempt] };
  const answer = await api.steps(run, typeof query.rank === 'number' ? query.rank : null, attempt, signal);
  if (!answer.step.length) return fetchBuckets(selectors, own, signal); // nothing is trained, so seconds are the only steps
  const clock: StepClock = { step: Float64Array.from(answer.step), time: Float64Array.from(answer.time) };
  const [first, last] = [clock.step[0]!, clock.step[clock.step.length - 1]!];
  let { lo, hi } = query;
  if ((lo !== null && lo > last) || (hi !== null && hi < first)) return [];
  lo = lo === null || lo <= first ? null : Math.floor(timeAt(clock, lo));
  hi = hi === null || hi >= last ? null : Math.ceil(timeAt(clock, hi));
  // A width in steps becomes the time that so many steps took on average.
  const pace = paceOf(clock);
  const smooth = query.smooth && pace ? { ...query.smooth, width: Math.max(1, Math.round(query.smooth.width * pace)) } : null;
  const series = await fetchBuckets(selectors, { ...own, axis: 'time', hidden: false, smooth, lo, hi }, signal);
  return series.map((b) => onSteps(b, clock));
}
