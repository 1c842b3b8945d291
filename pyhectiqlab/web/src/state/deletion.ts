// Deleting several runs, and taking it back: those that cannot be are told, and do not stop the others.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';

export interface Deletion {
  deleted: readonly string[];
  problem: string;
  of: (runs: readonly string[]) => Promise<void>;
  undo: () => Promise<void>;
}

/** `after` each change, whatever came of it. */
export function useDeletion(after: () => void): Deletion {
  const [deleted, setDeleted] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState('');
  const of = async (runs: readonly string[]) => {
    const { done, why } = await each(runs, api.deleteRun);
    setDeleted(done);
    setProblem(why);
    after();
  };
  const undo = async () => {
    const { done, why } = await each(deleted, api.restoreRun);
    setDeleted(deleted.filter((run) => !done.includes(run)));
    setProblem(why);
    after();
  };
  return { deleted, problem, of, undo };
}

async function each(runs: readonly string[], change: (run: string) => Promise<unknown>): Promise<{ done: string[]; why: string }> {
  const done: string[] = [];
  let why = '';
  for (const run of runs) {
    try {
      await change(run);
      done.push(run);
    } catch (e) {
      why = e instanceof ApiError ? e.message : 'The lab does not answer. Try again in a moment.';
    }
  }
  return { done, why };
}
