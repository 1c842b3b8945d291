// Formulas of metrics, which the lab computes: over the steps, or one over another.

import { decode } from '@msgpack/msgpack';
import type { Buckets } from '../base/buckets';
import type { ChartView } from '../base/route';
import { decodeBuckets, type BucketQuery } from './columns';
import { request } from './http';

const LINES_MAX = 128; // in one request
const PAIRS_MAX = 1500; // of one line

/** Load the lines of one formula over the steps: one for each run, or for each attempt of each. */
export async function fetchFormula(formula: string, runs: readonly string[], { rank, attempts, smooth, lo, hi, n }: BucketQuery, signal: AbortSignal): Promise<Buckets[]> {
  const lines = runs.flatMap((run) => attempts.map((attempt) => ({ run, formula, rank: rank === 'each' ? null : rank, attempt })));
  const more = { n, lo, hi, smooth, short: true };
  const answers = await inPieces(lines, '/series/formulas', more, signal);
  return answers.flatMap(decodeBuckets);
}

/** The values of two formulas, by ascending step. */
export interface Pairs {
  run: string;
  total: number; // how many pairs there are; if there are many, these are evenly chosen
  step: number[];
  x: number[];
  y: number[];
}

/**
 * Load pairs of values. `range`: the x that are in sight; null: all. If the page's axis is not the step, its zoom and smoothing
 * do not apply here.
 */
export async function fetchPairs(x: string, y: string, runs: readonly string[], { rank, attempt, axis, lo, hi, smoothing }: Pick<ChartView, 'rank' | 'attempt' | 'axis' | 'lo' | 'hi' | 'smoothing'>, range: readonly [number, number] | null, signal: AbortSignal): Promise<Pairs[]> {
  const steps = axis === 'step' ? { lo, hi, smooth: smoothing } : {};
  const lines = runs.map((run) => ({ run, x, y, rank: rank === 'each' ? null : rank, attempt: attempt === 'each' ? null : attempt }));
  const answers = await inPieces(lines, '/series/pairs', { n: PAIRS_MAX, ...steps, ...(range && { x_range: range }) }, signal);
  return answers.flatMap((bytes) => (decode(bytes) as { lines: Pairs[] }).lines);
}

async function inPieces(lines: readonly object[], path: string, more: object, signal: AbortSignal): Promise<Uint8Array[]> {
  const answers: Uint8Array[] = [];
  for (let i = 0; i < lines.length; i += LINES_MAX) {
    const response = await request(path, { method: 'POST', body: { lines: lines.slice(i, i + LINES_MAX), ...more }, accept: 'application/x-msgpack', signal });
    answers.push(new Uint8Array(await response.arrayBuffer()));
  }
  return answers;
}
