// Media of a run: their names, the steps of one name, and the items themselves.

import type { MediaGroupAnswer, MediaItemAnswer } from '../schema/lab';
import { call, request, type CallOptions } from './http';

const GROUPS_MAX = 1000;
const STEPS_MAX = 900; // steps of one slider
const LIMIT = 1000;

/** null: items without a step. */
export type Step = number | null | 'newest';
const NO_STEP = -(2n ** 63n); // the lab's number for them; it is before all others

export const HEAT_STEPS = 128; // columns of a heat map
const STEPS_LEAST = 16; // the fewest that the lab thins to

export async function loadGroups(run: string, q: string, signal: AbortSignal): Promise<{ items: MediaGroupAnswer[]; complete: boolean }> {
  const page = await call('GET /runs/{run_id}/media', { path: { run_id: run }, query: { q, limit: GROUPS_MAX }, signal });
  return { items: page.items, complete: page.next === null };
}

/** Return the histograms of exactly this name that a run has; null: none. */
export async function histogramsOf(run: string, name: string, signal: AbortSignal): Promise<MediaGroupAnswer | null> {
  const page = await call('GET /runs/{run_id}/media', { path: { run_id: run }, query: { kind: 'histogram', name, limit: 1 }, signal });
  return page.items[0] ?? null;
}

/** Return the names of histograms that any of these runs has. */
export async function histogramNames(runs: readonly string[], signal: AbortSignal): Promise<string[]> {
  const pages = await Promise.all(runs.map((run) => call('GET /runs/{run_id}/media', { path: { run_id: run }, query: { kind: 'histogram', limit: GROUPS_MAX }, signal })));
  return [...new Set(pages.flatMap((page) => page.items.map((group) => group.name)))];
}

type Query = CallOptions<'GET /runs/{run_id}/media/items'>['query'];

/** The media of one name and one rank. */
export class MediaSource {
  private readonly what: Pick<Query, 'kind' | 'name' | 'rank'>;

  constructor(
    private readonly run: string,
    { kind, name }: Pick<MediaGroupAnswer, 'kind' | 'name'>,
    rank: number,
  ) {
    this.what = { kind, name, rank };
  }

  /** Load all steps, or a choice of them that includes the last. */
  async steps(signal: AbortSignal): Promise<(number | null)[]> {
    return (await this.items({ steps: STEPS_MAX, data: false, limit: LIMIT }, signal)).map((item) => item.step);
  }

  /** Load the item at a step, or the last one before it. */
  async at(step: Step, signal: AbortSignal): Promise<MediaItemAnswer | null> {
    const until = step === 'newest' ? {} : { hi: step ?? NO_STEP };
    return (await this.items({ ...until, newest: true, limit: 1 }, signal))[0] ?? null;
  }

  /** Load the items of all steps, or of those from lo to hi, in their order: at most so many. */
  async overSteps(signal: AbortSignal, most = HEAT_STEPS, range: { lo?: number; hi?: number } = {}): Promise<MediaItemAnswer[]> {
    const query = { ...this.what, ...range, steps: Math.min(LIMIT, Math.max(STEPS_LEAST, most)), limit: LIMIT };
    const items: MediaItemAnswer[] = [];
    let after: string | null = null;
    do {
      const page: { items: MediaItemAnswer[]; next: string | null } = await call('GET /runs/{run_id}/media/items', { path: { run_id: this.run }, query: { ...query, after }, signal });
      items.push(...page.items);
      after = page.next;
    } while (after !== null);
    return items;
  }

  private async items(more: Omit<Query, 'kind' | 'name' | 'rank'>, signal: AbortSignal): Promise<MediaItemAnswer[]> {
    const query = { ...this.what, ...more };
    return (await call('GET /runs/{run_id}/media/items', { path: { run_id: this.run }, query, signal })).items;
  }
}

/** Load the first bytes of a file as text. Return also whether that is all of it. */
export async function loadText(uuid: string, bytes_max: number, signal: AbortSignal): Promise<{ text: string; whole: boolean }> {
  const response = await request(`/artifacts/${encodeURIComponent(uuid)}/content`, { accept: '*/*', signal, range: `bytes=0-${bytes_max - 1}` });
  const total = Number(response.headers.get('Content-Range')?.split('/')[1] ?? 0);
  return { text: await response.text(), whole: response.status === 200 || total <= bytes_max };
}
