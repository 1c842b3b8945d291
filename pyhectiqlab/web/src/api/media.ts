// Media of a run: the names, the steps of one, and what is there.

import type { MediaGroup, MediaItem } from '../base/media';
import { request } from './http';
import type { Page } from './types';

const GROUPS_MAX = 1000;
const STEPS_MAX = 900; // of one slider
const LIMIT = 1000;

/** null: what has no step. */
export type Step = number | null | 'newest';
const NO_STEP = '-9223372036854775808'; // as the lab keeps it, before all others

export const HEAT_STEPS = 128; // columns of a heat map

async function page<T>(path: string, params: Record<string, string | number | boolean>, signal: AbortSignal): Promise<Page<T>> {
  const query = new URLSearchParams(Object.entries(params).map(([k, v]) => [k, String(v)]));
  return (await (await request(`${path}?${query}`, { signal })).json()) as Page<T>;
}

export async function loadGroups(run: string, q: string, signal: AbortSignal): Promise<{ items: MediaGroup[]; complete: boolean }> {
  const found = await page<MediaGroup>(`/runs/${encodeURIComponent(run)}/media`, { q, limit: GROUPS_MAX }, signal);
  return { items: found.items, complete: found.next === null };
}

/** Of one name and rank. */
export class MediaSource {
  private readonly path: string;
  private readonly what: Record<string, string | number>;

  constructor(run: string, { kind, name }: Pick<MediaGroup, 'kind' | 'name'>, rank: number) {
    this.path = `/runs/${encodeURIComponent(run)}/media/items`;
    this.what = { kind, name, rank };
  }

  /** All steps, or a choice of them that has the last. */
  async steps(signal: AbortSignal): Promise<(number | null)[]> {
    const { items } = await page<MediaItem>(this.path, { ...this.what, steps: STEPS_MAX, data: false, limit: LIMIT }, signal);
    return items.map((item) => item.step);
  }

  /** What is at a step, or at the last one before it. */
  async at(step: Step, signal: AbortSignal): Promise<MediaItem | null> {
    const until: Record<string, string | number> = step === 'newest' ? {} : { hi: step ?? NO_STEP };
    const { items } = await page<MediaItem>(this.path, { ...this.what, ...until, newest: true, limit: 1 }, signal);
    return items[0] ?? null;
  }

  /** Some of all steps, in their order. */
  async overSteps(signal: AbortSignal): Promise<MediaItem[]> {
    return (await page<MediaItem>(this.path, { ...this.what, steps: HEAT_STEPS, limit: LIMIT }, signal)).items;
  }
}

/** The first bytes of a file as text; and whether that is all. */
export async function loadText(uuid: string, bytes_max: number, signal: AbortSignal): Promise<{ text: string; whole: boolean }> {
  const response = await request(`/artifacts/${encodeURIComponent(uuid)}/content`, { accept: '*/*', signal, range: `bytes=0-${bytes_max - 1}` });
  const total = Number(response.headers.get('Content-Range')?.split('/')[1] ?? 0);
  return { text: await response.text(), whole: response.status === 200 || total <= bytes_max };
}
