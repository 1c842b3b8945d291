// The look of each run's line: the same in the table, in the charts and on the page of the run. It is kept in this browser, by
// the id of the run. Somebody may choose a colour.

import { useMemo } from 'preact/hooks';
import { freeLook, LOOKS, looksTogether, type Look } from '../base/looks';
import type { SavedLook } from '../base/savedview';
import { Store, useStore } from './store';

const KEPT_MAX = 2000; // of one project; then the oldest are forgotten
const HEX = /^#[0-9a-f]{6}$/i;

/** `color`: the one that somebody chose; '': that of the look. */
interface Kept {
  index: number;
  color: string;
}

const known = new Map<string, Map<string, Kept>>(); // by project, then by run
/** Grows when somebody chooses a colour. */
export const chosen = new Store(0);

const keyOf = (project: string) => `hectiqlab.looks.${project}`;

function ofProject(project: string): Map<string, Kept> {
  let kept = known.get(project);
  if (!kept) known.set(project, (kept = read(project)));
  return kept;
}

function read(project: string): Map<string, Kept> {
  const kept = new Map<string, Kept>();
  try {
    const rows: unknown = JSON.parse(localStorage.getItem(keyOf(project)) ?? '[]');
    for (const row of Array.isArray(rows) ? (rows as unknown[]) : []) {
      const [run, index, color] = Array.isArray(row) ? (row as unknown[]) : [];
      if (typeof run !== 'string' || !Number.isInteger(index)) continue;
      kept.set(run, { index: Math.abs(index as number) % LOOKS, color: typeof color === 'string' && HEX.test(color) ? color : '' });
    }
  } catch {
    // No storage in this browser, or somebody else has written there.
  }
  return kept;
}

function keep(project: string, kept: Map<string, Kept>): void {
  for (const run of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(run);
  }
  try {
    localStorage.setItem(keyOf(project), JSON.stringify([...kept].map(([run, { index, color }]) => [run, index, color])));
  } catch {
    // The change lasts until the page is closed.
  }
}

function looksOf(runs: readonly { id: string; project: string }[]): ReadonlyMap<string, Look> {
  const indexes: number[] = [];
  const fresh: { id: string; project: string }[] = [];
  for (const run of runs) {
    const its = ofProject(run.project).get(run.id);
    if (its) indexes.push(its.index);
    else fresh.push(run);
  }
  for (const { id, project } of fresh) {
    const kept = ofProject(project);
    const index = freeLook(indexes, [...kept.values()].map((k) => k.index));
    kept.set(id, { index, color: '' });
    indexes.push(index);
  }
  for (const project of new Set(fresh.map((run) => run.project))) keep(project, ofProject(project));
  const kept = runs.map(({ id, project }) => ofProject(project).get(id)!);
  const looks = looksTogether(kept.map(({ index }) => index));
  return new Map(runs.map(({ id }, i) => [id, kept[i]!.color ? { ...looks[i]!, color: kept[i]!.color } : looks[i]!]));
}

/** Return the looks of runs that are drawn together. A run that was never drawn before gets a free look. */
export function useLooks(runs: readonly { id: string; project: string }[]): ReadonlyMap<string, Look> {
  const version = useStore(chosen);
  return useMemo(() => looksOf(runs), [runs.map((run) => run.id).join(), version]);
}

/** Set the colour of a run; '': the one that it had at first. */
export function chooseColor(project: string, run: string, color: string): void {
  const kept = ofProject(project);
  const its = kept.get(run) ?? { index: freeLook([], [...kept.values()].map((k) => k.index)), color };
  kept.set(run, { ...its, color });
  keep(project, kept);
  chosen.set(chosen.value + 1);
}

/** Return the looks of the runs among these that were ever drawn. */
export function keptLooks(project: string, runs: readonly string[]): Record<string, SavedLook> {
  const kept = ofProject(project);
  return Object.fromEntries(runs.flatMap((run) => {
    const its = kept.get(run);
    return its ? [[run, [its.index, its.color] as const]] : [];
  }));
}

/** Give runs the looks of a saved view. */
export function adoptLooks(project: string, looks: Readonly<Record<string, SavedLook>>): void {
  const kept = ofProject(project);
  for (const [run, [index, color]] of Object.entries(looks)) kept.set(run, { index, color });
  if (!Object.keys(looks).length) return;
  keep(project, kept);
  chosen.set(chosen.value + 1);
}
