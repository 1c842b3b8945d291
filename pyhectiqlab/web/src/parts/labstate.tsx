// The state of the lab, for its admins: what they should do, what fills the disk, who is at work, what waits.

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { api } from '../api/calls';
import { formatBytes, formatDuration, formatInteger, formatValue, plural } from '../base/format';
import { projectUrl, runUrl } from '../base/links';
import type { LabState as State } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { Moment, Waiting } from '../widgets/basics';

const AGAIN_MS = 10_000;

export function LabState() {
  const now = useNow(true);
  const { data, error, refresh } = useLoad((signal) => api.labState(signal), []);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && refresh(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [refresh]);
  return (
    <>
      <h1>State of the lab</h1>
      {error && <p class="problem" role="alert">{error.message}</p>}
      {!data && !error && <Waiting />}
      {data && (
        <div class="labstate">
          <WhatToDo state={data} />
          <Facts state={data} now={now} />
          <Disk state={data} />
          <Work state={data} now={now} />
          <Machinery state={data} now={now} />
        </div>
      )}
    </>
  );
}

function WhatToDo({ state }: { state: State }) {
  return (
    <section class="block" aria-label="What to see to">
      <h2>What to see to</h2>
      {state.advice.length === 0 && <p>Nothing needs you.</p>}
      {state.advice.length > 0 && (
        <ul class="advice">
          {state.advice.map((a) => (
            <li key={a.what}>
              <span class={`badge advice-${a.level}`}>{a.level}</span> <b>{a.what}</b>
              <p class="dim">{a.do.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Facts({ state, now }: { state: State; now: number }) {
  const { disk, backup } = state;
  return (
    <dl class="facts">
      <Fact name="Version">{state.version}</Fact>
      {state.started !== null && <Fact name="Up for">{formatDuration(now - state.started)}</Fact>}
      {disk.free !== null && (
        <Fact name={`Disk: ${disk.level}`}>
          {formatBytes(disk.free)} free{disk.total !== null && ` of ${formatBytes(disk.total)}`}
        </Fact>
      )}
      <Fact name="Last backup">{!state.in_folder ? 'by the tools of the engines' : backup ? <Moment time={backup.taken} now={now} /> : 'none'}</Fact>
      <Fact name="Writes refused">{formatInteger(state.writes_refused)}</Fact>
      <Fact name="Runs">{Object.entries(state.runs).map(([name, n]) => `${name} ${formatInteger(n)}`).join(', ') || 'none'}</Fact>
      <Fact name="Data">{state.data}</Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

function Disk({ state }: { state: State }) {
  const { disk } = state;
  return (
    <section class="block">
      <h2>What takes the disk</h2>
      <Rows
        label="By kind"
        head={['What', 'Takes', 'Of that free pages']}
        rows={[
          ...disk.databases.map((d) => [d.name, formatBytes(d.bytes), formatBytes(d.unused)]),
          ['files', formatBytes(disk.files), ''],
        ]}
      />
      <Rows
        label="By project"
        head={['Project', 'Runs', 'Points', 'Points take about', 'Files', 'Quota of files']}
        rows={state.projects.map((p) => [
          <a href={projectUrl(p.name)}>{p.name}</a>,
          formatInteger(p.runs),
          formatInteger(p.points),
          formatBytes(p.points_bytes),
          formatBytes(p.files),
          p.quota === null ? 'none' : formatBytes(p.quota),
        ])}
      />
      {state.projects_left_out > 0 && <p class="dim">{formatInteger(state.projects_left_out)} smaller projects are not shown.</p>}
    </section>
  );
}

function Work({ state, now }: { state: State; now: number }) {
  return (
    <section class="block">
      <h2>Who is at work</h2>
      <Rows
        label="Busiest runs"
        head={['Run', 'Project', 'Author', 'Points a second', 'Events a second']}
        rows={state.busiest_runs.map((r) => [
          <a href={runUrl(r.id)}>{r.name}</a>,
          r.project,
          r.author,
          formatValue(r.points_per_s),
          formatValue(r.events_per_s),
        ])}
      />
      <Rows
        label="Clients"
        head={['Session', 'User', 'Host', 'Version', 'Runs', 'Not yet here', 'Seen']}
        rows={state.clients.map((c) => [
          <a href={runUrl(c.run)}><code>{c.session}</code></a>,
          c.user,
          c.host,
          c.version || 'unknown',
          formatInteger(c.runs),
          plural(c.backlog, 'event'),
          <Moment time={c.last_seen} now={now} />,
        ])}
      />
      <p class="dim">
        {Object.entries(state.client_versions).map(([v, n]) => `version ${v || 'unknown'}: ${formatInteger(n)}`).join(', ') || 'Nobody logs now.'}
      </p>
    </section>
  );
}

const WAITING = {
  jobs: 'requests for the writer',
  streams: 'pages that follow live',
  notices: 'notices to deliver',
  deleted_runs: 'deleted runs that can be restored',
  points_to_compact: 'points to compact',
  points_to_remove: 'points of deleted runs to remove',
  retention: 'runs and versions that retention ends',
} as const;

function Machinery({ state, now }: { state: State; now: number }) {
  return (
    <section class="block">
      <h2>What waits, and the lab's own work</h2>
      <Rows
        label="What waits"
        head={['What', 'How many']}
        rows={(Object.keys(WAITING) as (keyof typeof WAITING)[]).map((name) => [WAITING[name], formatInteger(state.waiting[name] ?? 0)])}
      />
      <Rows
        label="Losses since the start"
        head={['Given up by clients because', 'Events or files']}
        rows={Object.entries(state.losses).map(([reason, n]) => [reason, formatInteger(n)])}
      />
      <Rows
        label="Who is told"
        head={['Target', 'Address', 'Of', 'Waiting', 'Last']}
        rows={state.notices.map((t) => [
          <code>{t.id}</code>,
          t.address,
          t.states.join(', '),
          formatInteger(t.waiting),
          t.failed !== null ? <><Moment time={t.failed} now={now} />: <span class="bad">{t.error}</span></> : t.delivered !== null ? <>delivered <Moment time={t.delivered} now={now} /></> : 'nothing yet',
        ])}
      />
      <Rows
        label="Threads"
        head={['Thread', 'How it is', 'Failures since the start']}
        rows={state.threads.map((t) => [
          t.name,
          t.failing_since === null ? 'works' : <span class="bad">fails: {t.error}</span>,
          formatInteger(t.failures),
        ])}
      />
    </section>
  );
}

function Rows({ label, head, rows }: { label: string; head: readonly string[]; rows: readonly ComponentChildren[][] }) {
  if (rows.length === 0) return null;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr>{head.map((h) => <th key={h}>{h}</th>)}</tr></thead>
        <tbody>{rows.map((cells, i) => <tr key={i}>{cells.map((cell, j) => <td key={j}>{cell}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}
