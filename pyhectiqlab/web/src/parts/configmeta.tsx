// The config or the meta of a run: that of its newest attempt, of an earlier one, or of all of them together.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { stringifyExact } from '../base/exact';
import type { RunDetailAnswer } from '../schema/lab';
import { useLoad } from '../state/load';
import { CopyButton } from '../widgets/basics';
import { Tree } from '../widgets/tree';

type What = 'config' | 'meta';
const NEWEST = '';
const ALL = 'all';

/** If only one attempt reported it, there is no choice. */
export function ConfigOrMeta({ run, what, empty }: { run: RunDetailAnswer; what: What; empty: string }) {
  const attempts = what === 'config' ? run.config_attempts : run.meta_attempts;
  const [chosen, choose] = useState(NEWEST);
  const title = what === 'config' ? 'Config' : 'Meta';
  const several = attempts.length > 1;
  const newest = attempts[attempts.length - 1];
  const shown = !several || chosen === ALL ? null : chosen === NEWEST ? newest! : Number(chosen);
  const load = what === 'config' ? api.attemptConfig : api.attemptMeta;
  // The merged config changes whenever that of an attempt does; then the config of the chosen attempt is loaded again.
  const its = useLoad(
    async (signal) => (shown === null ? null : { of: shown, value: await load(run.id, shown, signal) }),
    [run.id, what, shown, stringifyExact(run[what])],
  );
  const loaded = shown === null ? { value: run[what] } : its.data?.of === shown ? its.data : null;
  return (
    <section class="block" aria-label={title}>
      <h2>
        {title}
        {loaded && what === 'config' && <CopyButton text={stringifyExact(loaded.value ?? {}, 2)} label="Copy the config as JSON" />}
        {several && (
          <label class="select" title={`What one attempt reported, or what all of them reported: the newest values count`}>
            Attempt
            <select value={chosen} onChange={(e) => choose(e.currentTarget.value)}>
              <option value={NEWEST}>{newest} (newest)</option>
              {attempts.slice(0, -1).reverse().map((n) => <option key={n} value={String(n)}>{n}</option>)}
              <option value={ALL}>All</option>
            </select>
          </label>
        )}
      </h2>
      {loaded && <Tree value={loaded.value} empty={empty} />}
      {its.error && !loaded && <p class="dim">{its.error.message}</p>}
    </section>
  );
}
