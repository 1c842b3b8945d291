// Changes of several runs at once (tags, notes, moves, the archive, deletion). For ten seconds, the last one can be
// undone.

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { plural } from '../base/format';
import type { Bodies } from '../schema/lab';

const UNDO_MS = 10_000;
const RUNS_AT_ONCE = 1000; // the most that the lab takes

export type RunAction = Bodies['POST /runs/actions']['actions'][number];

export interface Actions {
  /** What was done last; '': it cannot be undone here any more. */
  done: string;
  undoable: boolean;
  problem: string;
  busy: boolean;
  /** Do all actions, or none. */
  act: (...actions: RunAction[]) => Promise<boolean>;
  remove: (runs: readonly string[]) => Promise<boolean>;
  /** Do something else. `text`: what was done; `back` undoes it. */
  other: (text: string, work: () => Promise<unknown>, back: () => Promise<unknown>) => Promise<boolean>;
  undo: () => Promise<void>;
}

interface Last {
  text: string;
  /** Undo it. Rejects as the calls of the lab do. A second call does not undo again what the first one undid. */
  back: (() => Promise<void>) | null;
}

/** `after` is called after each change, whether it worked or not. */
export function useActions(after: () => void): Actions {
  const [last, setLast] = useState<Last | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!last) return;
    const timer = setTimeout(() => setLast(null), UNDO_MS);
    return () => clearTimeout(timer);
  }, [last]);

  /** Return whether it was done. Tell the reader why something was not. */
  const attempt = async (work: () => Promise<Last | null>): Promise<boolean> => {
    setBusy(true);
    setProblem('');
    try {
      setLast(await work());
      return true;
    } catch (e) {
      setProblem(e instanceof ApiError ? e.message : 'The lab does not answer. Try again in a moment.');
      return false;
    } finally {
      setBusy(false);
      after();
    }
  };

  const act = (...actions: RunAction[]) =>
    attempt(async () => {
      const undos: RunAction[][] = [];
      const changed = new Set<string>();
      const back = async () => {
        while (undos.length) {
          await api.act(undos.at(-1)!);
          undos.pop();
        }
      };
      for (const part of parts(actions)) {
        try {
          const done = await api.act(part);
          done.changed.forEach((run) => changed.add(run));
          if (done.undo.length) undos.push(done.undo);
        } catch (e) {
          if (undos.length) setLast({ text: doneText(actions, changed.size), back });
          throw e;
        }
      }
      return changed.size ? { text: doneText(actions, changed.size), back } : { text: nothingText(actions), back: null };
    });

  /** Delete runs. One that cannot be deleted is reported, and does not stop the others. */
  const remove = (runs: readonly string[]) =>
    attempt(async () => {
      const deleted: string[] = [];
      let failed: unknown = null;
      for (const run of runs) {
        await api.deleteRun(run).then(
          () => deleted.push(run),
          (e: unknown) => (failed = e),
        );
      }
      const back = async () => {
        while (deleted.length) {
          await api.restoreRun(deleted.at(-1)!);
          deleted.pop();
        }
      };
      const done = deleted.length ? { text: `Deleted ${plural(deleted.length, 'run')}, to be restored within 7 days.`, back } : null;
      if (failed === null) return done;
      setLast(done);
      throw failed;
    });

  const other = (text: string, work: () => Promise<unknown>, back: () => Promise<unknown>) =>
    attempt(async () => {
      await work();
      return { text, back: async () => void (await back()) };
    });

  const undo = async () => {
    if (last?.back) await attempt(() => last.back!().then(() => null));
  };
  return { done: last?.text ?? '', undoable: last?.back != null, problem, busy, act, remove, other, undo };
}

/** Split actions into requests on as many runs as the lab takes at once. Only an action on too many runs is ever cut. */
function parts(actions: readonly RunAction[]): RunAction[][] {
  const [action] = actions;
  if (!action || actions.length > 1 || !('runs' in action) || action.runs.length <= RUNS_AT_ONCE) return [[...actions]];
  const { runs } = action;
  return Array.from({ length: Math.ceil(runs.length / RUNS_AT_ONCE) }, (_, i) => [{ ...action, runs: runs.slice(i * RUNS_AT_ONCE, (i + 1) * RUNS_AT_ONCE) }]);
}

function doneText([action, ...more]: readonly RunAction[], n: number): string {
  const runs = plural(n, 'run');
  if (!action || more.length) return `Changed ${runs}.`;
  switch (action.action) {
    case 'note':
    case 'notes':
      return `Set the note of ${runs}.`;
    case 'tag':
      return `Tagged ${runs} ${action.name}.`;
    case 'untag':
      return `Removed the tag ${action.name} from ${runs}.`;
    case 'names':
      return `Renamed ${runs}.`;
    case 'group':
      return action.group ? `Put ${runs} into the group ${action.group}.` : `Took ${runs} out of their group.`;
    case 'move':
      return `Moved ${runs} to ${action.project}.`;
    case 'archive':
      return `Archived ${runs}: archived=true in the search finds them.`;
    case 'unarchive':
      return `Unarchived ${runs}.`;
    case 'delete':
      return `Deleted ${runs}, to be restored within 7 days.`;
    case 'restore':
      return `Restored ${runs}.`;
  }
}

function nothingText([action, ...more]: readonly RunAction[]): string {
  if (!action || more.length) return 'Nothing changed.';
  if (action.action === 'note' || action.action === 'notes') return 'That is their note already.';
  if (action.action === 'tag') return `They are tagged ${action.name} already.`;
  return action.action === 'untag' ? `None of them is tagged ${action.name}.` : 'They are so already.';
}
