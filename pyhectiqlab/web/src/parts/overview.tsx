// Everything about a run that is not a curve: whether all data arrived, note, paper, config, meta, environment, sessions.

import { useEffect } from 'preact/hooks';
import { formatDuration, formatInteger, plural } from '../base/format';
import { toneOf } from '../base/runstate';
import type { RunDetailAnswer, SessionAnswer, StateChangeAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLive } from '../state/live';
import { Moment, StateBadge } from '../widgets/basics';
import { MarkdownBlock } from '../widgets/markdown';
import { Captured } from './captured';
import { ConfigOrMeta } from './configmeta';
import { RunVersions } from './versiontable';

const HEARTBEATS_MS = 5000;

export function Overview({ run, onNews }: { run: RunDetailAnswer; onNews: () => void }) {
  const now = useNow(true);
  useLive({ runs: [run.id] }, { points: onNews, state: onNews, run: onNews, missed: onNews });
  // Heartbeats are not published as news of a run. Without asking again, the uploaders' reports would be as old as the last
  // point.
  const live = run.sessions.some((s) => s.ended === null && !s.lost);
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(onNews, HEARTBEATS_MS);
    return () => clearInterval(timer);
  }, [live, onNews]);
  return (
    <div class="overview">
      <Health run={run} now={now} />
      {run.note && <MarkdownBlock title="Note" text={run.note} />}
      {run.paper && <MarkdownBlock title="Paper" text={run.paper} wide />}
      <ConfigOrMeta run={run} what="config" empty="No config. The script can push one with run.add_config(config)." />
      <ConfigOrMeta run={run} what="meta" empty="No meta. The script can add some with run.add_meta(key, value)." />
      <RunVersions run={run.id} />
      <Captured run={run.id} capture={run.capture} />
      <section class="block wide">
        <h2>States</h2>
        <History history={run.history} now={now} />
      </section>
      <section class="block wide">
        <h2>Sessions</h2>
        <Sessions sessions={run.sessions} now={now} />
        {run.session_count > run.sessions.length && (
          <p class="dim">{formatInteger(run.sessions.length)} of {formatInteger(run.session_count)}: those that have not ended, and the newest.</p>
        )}
      </section>
    </div>
  );
}

/** The meaning of reasons whose names say too little. */
const LOSSES: Record<string, string> = {
  lab_restored: 'gone with a restored backup',
  host_gone: 'in the memory of a machine that is gone',
  spool_full: 'no room in the spool',
  queue_full: 'no room in the queue',
  journal_damaged: 'damaged on the disk',
  config_full: 'values beyond what a config may have; they are among the events',
  meta_full: 'beyond what a run may have',
  tags_full: 'beyond what a run may have',
  note_cut: 'a longer note than a run may have: its beginning is shown',
  states_cut: 'too many at once: the last ones are in the history',
  unreadable: 'no event that can be read',
  rejected: 'refused by the lab',
};

/**
 * Return in words whether everything is here: compared with what the uploaders last said they have, and what was reported as
 * lost.
 */
function verdict(run: RunDetailAnswer, lost: number): string {
  const waiting = run.sessions.filter((s) => s.ended === null).reduce((sum, s) => sum + s.backlog, 0);
  const silent = run.sessions.some((s) => s.ended === null && s.backlog > 0 && s.lost);
  if (silent) return `${plural(waiting, 'event')} had not arrived when their machine was last heard of: hectiqlab sync there sends them`;
  if (waiting) return `${plural(waiting, 'event')} on the way`;
  return lost ? 'all else arrived' : 'all arrived, nothing lost';
}

function Health({ run, now }: { run: RunDetailAnswer; now: number }) {
  const losses = Object.entries(run.losses).filter(([, n]) => n > 0);
  const lost = losses.reduce((sum, [, n]) => sum + n, 0);
  const beats = run.sessions.map((s) => s.last_seen);
  const last = beats.length ? Math.max(...beats) : null;
  return (
    <section class={`block wide health ${lost ? 'lossy' : ''}`}>
      <h2>Data health</h2>
      <p>
        <span><b>{formatInteger(run.points)}</b> points and <b>{formatInteger(run.events)}</b> other events received</span>
        <span>{verdict(run, lost)}</span>
        {lost > 0 && <span><b>{formatInteger(lost)}</b> lost: {losses.map(([reason, n]) => `${reason} ${formatInteger(n)}${LOSSES[reason] ? ` (${LOSSES[reason]})` : ''}`).join(', ')}</span>}
        <span>last heartbeat <Moment time={last} now={now} /></span>
        <span>{plural(run.writers, 'writer')}</span>
      </p>
    </section>
  );
}

function Sessions({ sessions, now }: { sessions: readonly SessionAnswer[]; now: number }) {
  if (!sessions.length) return <p class="dim">No process has attached to this run yet.</p>;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Sessions">
      <table>
        <thead>
          <tr>
            <th class="number">Rank</th><th class="number">Attempt</th><th>Host</th><th class="number">PID</th>
            <th>Started</th><th class="number">Lasted</th><th>Last seen</th><th>Ended as</th><th>Why</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((s) => (
            <tr key={`${s.session}/${s.rank}/${s.attempt}`}>
              <td class="number">{s.rank}</td>
              <td class="number">{s.attempt}</td>
              <td>{s.host || '–'}</td>
              <td class="number">{s.pid || '–'}</td>
              <td><Moment time={s.started} now={now} /></td>
              <td class="number">{formatDuration((s.ended ?? now) - s.started)}</td>
              <td><Moment time={s.last_seen} now={now} /></td>
              <td>{s.ended === null && !s.state ? <StillGoing session={s} /> : s.state ? <StateBadge state={s.state} /> : '–'}</td>
              <td class="why">{why(s)}{s.detail && <details open={toneOf(s.state ?? '') === 'bad'}><summary>detail</summary><pre>{s.detail}</pre></details>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StillGoing({ session }: { session: SessionAnswer }) {
  return session.lost ? <StateBadge state="lost" /> : <span class="dim">still going</span>;
}

/** The states of the run, the newest first: when, who reported it, and why. */
function History({ history, now }: { history: readonly StateChangeAnswer[]; now: number }) {
  if (!history.length) return <p class="dim">No process has attached to this run yet.</p>;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="States">
      <table>
        <thead>
          <tr><th>State</th><th class="number">Attempt</th><th class="number">Rank</th><th>When</th><th>Reported by</th><th>Why</th></tr>
        </thead>
        <tbody>
          {[...history].reverse().map((h, i) => (
            <tr key={history.length - i}>
              <td><StateBadge state={h.state} /></td>
              <td class="number">{h.attempt}</td>
              <td class="number">{h.rank ?? '–'}</td>
              <td><Moment time={h.at} now={now} /></td>
              <td>{h.who}</td>
              <td class="why">{h.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function why(s: SessionAnswer): string {
  const parts = [s.cause];
  if (s.exit_code !== null) parts.push(`exit code ${s.exit_code}`);
  if (s.signal !== null) parts.push(`signal ${s.signal}`);
  return parts.filter(Boolean).join(', ');
}
