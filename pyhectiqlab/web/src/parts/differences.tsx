// A table of what differs between the drawn runs and a baseline, whose column stays beside the names: config, packages,
// environment, git, metrics.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatInteger, formatValue, plural } from '../base/format';
import { lineChanges } from '../base/linechanges';
import { runUrl } from '../base/links';
import type { Look } from '../base/looks';
import type { CaptureAnswer, DifferenceAnswer } from '../schema/lab';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { firstRows } from '../state/tablerows';
import { Waiting } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { Swatch } from '../widgets/swatch';

const RUNS_MAX = 50; // runs that the lab compares at once
const REFRESH_MS = 5000;
const TITLES = { config: 'Config', packages: 'Packages', environment: 'Environment', git: 'Git', metrics: 'Metrics, newest values' } as const;

interface Compared {
  id: string;
  name: string;
}

interface Props {
  project: string;
  /** The runs that are drawn. The baseline is one of them, or another run. */
  runs: readonly Compared[];
  looks: ReadonlyMap<string, Look>;
  /** The run that the others are compared with; null: the first. */
  base: string | null;
  onBase: (run: string) => void;
  /** Also show what all runs have in common. */
  alike: boolean;
  onAlike: (on: boolean) => void;
}

export function Differences({ project, runs, looks, base, onBase, alike, onAlike }: Props) {
  const baseline = base ?? runs[0]?.id;
  const ids = [...new Set([...(baseline ? [baseline] : []), ...runs.map((run) => run.id)])].slice(0, RUNS_MAX);
  const { data, error, refresh } = useLoad(async (signal) => (ids.length ? api.differences({ run: ids, alike }, signal) : null), [ids.join(), alike], REFRESH_MS);
  useLive({ project }, { points: (run) => ids.includes(run) && refresh(), run: (run) => ids.includes(run) && refresh(), missed: refresh });
  const alone = base !== null && !runs.some((run) => run.id === base) ? base : null; // a baseline that is not drawn
  const { data: its } = useLoad(async (signal) => (alone ? (await firstRows({ filter: [`id=${alone}`], sort: [], column: [] }, 1, signal)).rows : []), [alone]);
  const names = new Map([...runs, ...(its ?? [])].map((run) => [run.id, run.name]));
  const [shut, setShut] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<string | null>(null);
  if (error) return <p class="problem" role="alert">{error.message}</p>;
  if (!data) return ids.length ? <Waiting /> : null;
  const sections = (Object.keys(TITLES) as (keyof typeof TITLES)[]).map((section) => ({ section, rows: data.rows.filter((row) => row.section === section) })).filter(({ rows }) => rows.length);
  const toggle = (section: string) => setShut(new Set(shut.has(section) ? [...shut].filter((other) => other !== section) : [...shut, section]));
  const more = runs.length - ids.length;
  return (
    <>
      <p class="drawn-text">
        <label class="check"><input type="checkbox" checked={alike} onChange={(e) => onAlike(e.currentTarget.checked)} />Also what they have in common</label>
        {more > 0 && <span role="status">At most {RUNS_MAX} runs are compared: {plural(more, 'run')} of those that are drawn {more === 1 ? 'is' : 'are'} left out.</span>}
      </p>
      {!data.rows.length && <p class="dim">{data.runs.length < 2 ? 'There is one run: the eyes of the table choose those that are compared.' : 'They differ in nothing that is compared.'}</p>}
      {data.rows.length > 0 && (
        <div class="table-scroll differences" tabIndex={0} role="region" aria-label="Differences">
          <table>
            <thead>
              <tr>
                <th><span class="sr">What</span></th>
                {data.runs.map((run, i) => <Head key={run} run={run} name={names.get(run) ?? run} look={looks.get(run)} pinned={i === 0} onBase={onBase} />)}
              </tr>
            </thead>
            {sections.map(({ section, rows }) => (
              <tbody key={section}>
                <tr class="section">
                  <th scope="rowgroup" colSpan={data.runs.length + 1}>
                    <button class="group-name" aria-expanded={!shut.has(section)} onClick={() => toggle(section)}>
                      <Icon name="chevron" />
                      {TITLES[section]}
                      <span class="dim">{data.cut.includes(section) ? `the first ${formatInteger(rows.length)}` : formatInteger(rows.length)}</span>
                    </button>
                  </th>
                </tr>
                {!shut.has(section) && rows.map((row) => (
                  <Row key={row.name} row={row} runs={data.runs} names={names} open={opened === row.name} onOpen={isDiff(row) ? () => setOpened(opened === row.name ? null : row.name) : null} />
                ))}
              </tbody>
            ))}
          </table>
        </div>
      )}
    </>
  );
}

const isDiff = (row: DifferenceAnswer) => row.section === 'git' && /(^| )diff$/.test(row.name);

function Head({ run, name, look, pinned, onBase }: { run: string; name: string; look: Look | undefined; pinned: boolean; onBase: (run: string) => void }) {
  return (
    <th scope="col" class={pinned ? 'baseline' : ''} data-run={run}>
      {look && <Swatch {...look} />} <a href={runUrl(run)}>{name}</a>
      {pinned ? <small class="dim">baseline</small> : <button class="icon-button" aria-label={`Compare with ${name}`} title="Make it the baseline" onClick={() => onBase(run)}><Icon name="pin" /></button>}
    </th>
  );
}

interface RowProps {
  row: DifferenceAnswer;
  runs: readonly string[];
  names: ReadonlyMap<string, string>;
  open: boolean;
  /** null: there is nothing to open. */
  onOpen: (() => void) | null;
}

function Row({ row, runs, names, open, onOpen }: RowProps) {
  const { name, values, deltas } = row;
  return (
    <>
      <tr data-name={`${row.section} ${name}`}>
        <th scope="row" title={name}>{onOpen ? <button class="link" aria-expanded={open} onClick={onOpen}>{name}</button> : name}</th>
        {values.map((value, i) => (
          <td key={runs[i]} class={`value${i === 0 ? ' baseline' : value === values[0] ? ' dim' : ''}`} title={value === null ? 'It has none' : String(value)}>
            {shownValue(value, row.section === 'metrics')}
            {i > 0 && deltas && <Delta delta={Number(deltas[i] ?? NaN)} />}
          </td>
        ))}
      </tr>
      {open && runs.slice(1).map((run) => (
        <tr key={run}>
          <td colSpan={runs.length + 1}>
            <DiffOfDiffs name={name} before={runs[0]!} after={run} title={`${names.get(run) ?? run} beside ${names.get(runs[0]!) ?? runs[0]}`} />
          </td>
        </tr>
      ))}
    </>
  );
}

function shownValue(value: number | string | null, metric: boolean) {
  if (value === null) return <span class="dim">–</span>;
  if (!metric) return typeof value === 'number' ? formatValue(value) : value;
  const number = Number(value); // NaN comes as text, because JSON has none
  return <span class={Number.isFinite(number) ? '' : 'not-finite'}>{formatValue(number)}</span>;
}

/** The distance to the baseline. Show nothing if there is none. */
function Delta({ delta }: { delta: number }) {
  if (delta === 0 || Number.isNaN(delta)) return null;
  return <small class="delta">{delta > 0 ? `+${formatValue(delta)}` : formatValue(delta)}</small>;
}

/** The differences between the uncommitted changes of two runs. */
function DiffOfDiffs({ name, before, after, title }: { name: string; before: string; after: string; title: string }) {
  const { data, error } = useLoad(
    async (signal) => {
      const [one, other] = await Promise.all([before, after].map(async (run) => diffIn(await api.capture(run, signal), name)));
      return lineChanges(one!, other!);
    },
    [before, after, name],
  );
  if (error) return <p class="problem" role="alert">{error.message}</p>;
  if (!data) return <Waiting />;
  return (
    <figure class="line-changes" aria-label={title}>
      <figcaption class="dim">{title}</figcaption>
      {data.length === 0 ? <p class="dim">They have the same changes.</p> : (
        <pre class="diff" tabIndex={0}>{data.map(({ mark, text }, i) => <span key={i} class={mark === '+' ? 'added' : mark === '-' ? 'removed' : ''}>{`${mark} ${text}\n`}</span>)}</pre>
      )}
    </figure>
  );
}

/** `name`: "diff" for the script's own repository, or "PACKAGE diff". */
function diffIn(capture: CaptureAnswer, name: string): string {
  const git = name === 'diff' ? capture.packages?.['git'] : capture.repos[name.slice(0, -' diff'.length)];
  const diff = git && typeof git === 'object' ? (git as Record<string, unknown>)['diff'] : '';
  return typeof diff === 'string' ? diff : '';
}
