// Versions of models and datasets as a table: those of a project, and those that a run made or used.

import { versions } from '../api/versions';
import { formatBytes, formatInteger } from '../base/format';
import { registryUrl } from '../base/links';
import type { VersionAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { Moment } from '../widgets/basics';

/** `versions`: how many the name has, if they were counted. */
type Row = VersionAnswer & { versions?: number };

export function VersionTable({ items, label }: { items: readonly Row[]; label: string }) {
  const now = useNow(true);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="versions">
        <thead>
          <tr>
            <th>Name</th>
            <th>Version</th>
            <th>Description</th>
            <th class="number">Files</th>
            <th class="number">Size</th>
            <th>Author</th>
            <th>Created</th>
          </tr>
        </thead>
        <tbody>
          {items.map((v) => (
            <tr key={v.uuid}>
              <th scope="row"><a href={registryUrl(v.project.id, v.kind, v.name, v.versions === undefined ? v.version : undefined)}>{v.name}</a></th>
              <td class="num">
                {v.version} {v.aliases.map((alias) => <span class="tag" key={alias}>{alias}</span>)}
                {v.versions !== undefined && v.versions > 1 && <span class="dim"> of {formatInteger(v.versions)}</span>}
              </td>
              <td class="words">{v.short_description}</td>
              <td class="number">{formatInteger(v.files)}</td>
              <td class="number">{formatBytes(v.bytes)}</td>
              <td>{v.author}</td>
              <td><Moment time={v.created} now={now} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The versions that a run made or used. If there are none, show nothing. */
export function RunVersions({ run }: { run: string }) {
  const { data } = useLoad((signal) => versions.ofRun(run, signal), [run]);
  if (!data || !(data.made.length || data.used.length)) return null;
  return (
    <section class="block wide">
      <h2>Models and datasets</h2>
      {data.made.length > 0 && <><h3>Made by this run</h3><VersionTable items={data.made} label="Made by this run" /></>}
      {data.used.length > 0 && <><h3>Used by this run</h3><VersionTable items={data.used} label="Used by this run" /></>}
    </section>
  );
}
