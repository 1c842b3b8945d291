// The editor of a chart: its title, and what it draws: the keys that a pattern matches, a formula of metrics over the steps, one
// formula over another, a point or a bar for each run, or histograms over their steps. While somebody types, it shows the result,
// or why there is none.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { fetchPairs } from '../api/formulas';
import { histogramNames } from '../api/media';
import { ApiError, UnreachableError } from '../api/http';
import { FORMULA_MAX, matching, OWN_KEYS_MAX, PATTERN_MAX, patternOf, type OwnPanel, type RunsChart } from '../base/boardsettings';
import { plural } from '../base/format';
import { columnName, isValue, parseColumn, STATS } from '../base/tablecolumns';
import { useLoad } from '../state/load';
import { Segments } from '../widgets/basics';

interface Props {
  panel: OwnPanel;
  /** The runs that are drawn. Formulas are tried with the first. */
  runs: readonly { id: string; members?: readonly string[] }[];
  keys: readonly string[];
  /** There are more keys than these. */
  some: boolean;
  onSave: (panel: OwnPanel) => void;
  onClose: () => void;
}

type Kind = 'pattern' | 'formula' | 'pairs' | 'runs' | 'histogram';
const KINDS = [['pattern', 'Metrics by a pattern'], ['formula', 'A formula'], ['pairs', 'One over another'], ['runs', 'Runs'], ['histogram', 'Histograms']] as const;
const TRY_MS = 250;

interface Trial {
  text: string; // the text that was tried
  error: string;
  steps: number;
}

export function OwnEditor({ panel, runs, keys, some, onSave, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [kind, setKind] = useState<Kind>(panel.histogram ? 'histogram' : panel.runs ? 'runs' : panel.x ? 'pairs' : panel.y ? 'formula' : 'pattern');
  const [pattern, setPattern] = useState(panel.pattern);
  const [y, setY] = useState(panel.y ?? '');
  const [x, setX] = useState(panel.x ?? '');
  const [chart, setChart] = useState<RunsChart>(panel.runs ?? { y: '' });
  const [histogram, setHistogram] = useState(panel.histogram ?? '');
  const [title, setTitle] = useState(panel.title);
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    return () => d.close();
  }, []);
  const formulas = kind === 'pattern' || kind === 'runs' || kind === 'histogram' ? [] : kind === 'formula' ? [y] : [y, x];
  const trial = useTrial(runs[0]?.members?.[0] ?? runs[0]?.id ?? null, formulas);
  const valid = kind === 'histogram' ? histogram !== '' : kind === 'pattern' ? patternOf(pattern) !== null : kind === 'runs' ? fits(chart.y, false) && fits(chart.x, true) && fits(chart.color, true) : formulas.every((f) => f.trim()) && trial !== null && !trial.error;
  const save = (e: Event) => {
    e.preventDefault();
    if (!valid) return;
    const { id } = panel;
    const named = { id, title: title.trim(), pattern: '' };
    if (kind === 'histogram') onSave({ ...named, histogram });
    else if (kind === 'runs') onSave({ ...named, runs: { y: chart.y, ...(chart.x && { x: chart.x }), ...(chart.color && { color: chart.color }) } });
    else onSave(kind === 'pattern' ? { ...named, pattern } : kind === 'formula' ? { ...named, y: y.trim() } : { ...named, y: y.trim(), x: x.trim() });
  };
  const formula = (label: string, value: string, set: (text: string) => void, placeholder: string) => (
    <label>
      {label}
      <input value={value} list="own-keys" maxLength={FORMULA_MAX} placeholder={placeholder} spellcheck={false} onInput={(e) => set(e.currentTarget.value)} aria-invalid={value.trim() !== '' && !!trial?.error} />
    </label>
  );
  return (
    <dialog class="own-editor" ref={dialog} aria-label="Chart of several metrics" onCancel={(e) => (e.preventDefault(), onClose())}>
      <form onSubmit={save}>
        <h2>Chart of several metrics</h2>
        <Segments label="What it draws" options={KINDS} value={kind} onChange={setKind} />
        {kind === 'pattern' ? (
          <label>
            Metrics, as a regular expression
            <input autofocus value={pattern} maxLength={PATTERN_MAX} placeholder="loss|accuracy" spellcheck={false} onInput={(e) => setPattern(e.currentTarget.value)} aria-invalid={pattern !== '' && patternOf(pattern) === null} />
          </label>
        ) : kind === 'histogram' ? (
          <HistogramField name={histogram} runs={runs} onChange={setHistogram} />
        ) : kind === 'runs' ? (
          <RunsFields chart={chart} runs={runs} onChange={setChart} />
        ) : (
          <>
            {formula(kind === 'formula' ? 'Formula' : 'Y: a metric or a formula', y, setY, 'train/loss - valid/loss')}
            {kind === 'pairs' && formula('X: a metric or a formula', x, setX, 'learning_rate')}
            <datalist id="own-keys">{keys.map((key) => <option key={key} value={/^[^\W\d][\w.]*(\/[\w.]+)*$/.test(key) ? key : JSON.stringify(key)} />)}</datalist>
          </>
        )}
        <label>
          Title
          <input value={title} placeholder={kind === 'pattern' ? pattern || 'loss|accuracy' : kind === 'runs' ? chart.y : kind === 'histogram' ? histogram : y} onInput={(e) => setTitle(e.currentTarget.value)} />
        </label>
        <div role="status">
          {kind === 'runs' || kind === 'histogram' ? null : kind === 'pattern' ? <Matched pattern={pattern} keys={keys} some={some} /> : <Tried trial={trial} />}
        </div>
        <div class="own-buttons">
          <button class="button" type="button" onClick={onClose}>Cancel</button>
          <button class="button primary" type="submit" disabled={!valid}>Save</button>
        </div>
      </form>
    </dialog>
  );
}

/** Return whether a text names a column with values. `open`: an empty text is right, too. */
function fits(name: string | undefined, open: boolean): boolean {
  return name ? parseColumn(name) !== null && isValue(name) : open;
}

function RunsFields({ chart, runs, onChange }: { chart: RunsChart; runs: readonly { id: string }[]; onChange: (chart: RunsChart) => void }) {
  const { data } = useLoad((signal) => api.tableColumns({ filter: [`id=${runs.map((run) => run.id).join()}`] }, signal), [runs]);
  const names = [
    ...(data?.config ?? []).map(({ path }) => columnName({ kind: 'config', path })),
    ...(data?.metrics ?? []).flatMap(({ key }) => STATS.map((stat) => columnName({ kind: 'metric', key, stat }))),
  ];
  const field = (label: string, name: keyof RunsChart, placeholder: string) => (
    <label>
      {label}
      <input value={chart[name] ?? ''} list="own-columns" placeholder={placeholder} spellcheck={false} aria-invalid={!fits(chart[name], true)} onInput={(e) => onChange({ ...chart, [name]: e.currentTarget.value.trim() })} />
    </label>
  );
  return (
    <>
      {field('Y: a column of the table', 'y', 'metric."valid/loss".min')}
      {field('X: another column; none: bars', 'x', 'config.lr')}
      {field('Colour: a third one', 'color', 'config.model.hidden')}
      <datalist id="own-columns">{names.map((name) => <option key={name} value={name} />)}</datalist>
      <p class="dim">config.PATH, or metric."KEY" with .last, .min, .max or .count. Of the runs that are drawn.</p>
    </>
  );
}

const RUNS_LOOKED_AT = 12;

function HistogramField({ name, runs, onChange }: { name: string; runs: Props['runs']; onChange: (name: string) => void }) {
  const ids = runs.slice(0, RUNS_LOOKED_AT).map((run) => run.id);
  const { data } = useLoad((signal) => histogramNames(ids, signal), [ids.join()]);
  return (
    <>
      <label>
        Histograms of this name
        <input value={name} list="own-histograms" maxLength={1024} placeholder="weights/layer1" spellcheck={false} onInput={(e) => onChange(e.currentTarget.value)} />
      </label>
      <datalist id="own-histograms">{data?.map((one) => <option key={one} value={one} />)}</datalist>
      <p class="dim">
        {data && (data.length ? `${plural(data.length, 'name')} in these runs. ` : 'These runs have no histograms: run.add_histogram(values, "weights/layer1", step) logs one. ')}
        Over the steps, of one run at a time.
      </p>
    </>
  );
}

function Matched({ pattern, keys, some }: { pattern: string; keys: readonly string[]; some: boolean }) {
  if (patternOf(pattern) === null) return <p class="dim">{pattern.trim() ? 'This is not a regular expression.' : 'For example: loss$, ^valid/, head[0-9]+/norm.'}</p>;
  const found = matching(keys, pattern);
  return (
    <>
      <p>
        {plural(found.length, 'metric')} of {keys.length}{some && ' looked at'}
        {found.length > OWN_KEYS_MAX && `: the first ${OWN_KEYS_MAX} are drawn`}
      </p>
      <ul class="own-found">{found.slice(0, OWN_KEYS_MAX).map((key) => <li key={key}>{key}</li>)}</ul>
    </>
  );
}

function Tried({ trial }: { trial: Trial | null }) {
  return (
    <>
      {trial && (trial.error ? <p class="problem">{trial.error}</p> : <p>{trial.steps ? `${plural(trial.steps, 'step')} of the first run` : 'The first run has no step at which all of these metrics have a point'}</p>)}
      <p class="dim">
        + − * / ^ and abs, exp, log, log2, log10, sqrt, min, max. A step counts where every metric has a point. Write a / b with spaces; a name
        with other signs than letters, digits, _ . / in "quotes".
      </p>
    </>
  );
}

/** Return what the lab says of formulas, some time after the last key; null: nothing yet, or there is nothing to try. */
function useTrial(run: string | null, formulas: readonly string[]): Trial | null {
  const [trial, setTrial] = useState<Trial | null>(null);
  const text = JSON.stringify(formulas);
  useEffect(() => {
    const [y = '', x = y] = formulas;
    if (!run || !y.trim() || !x.trim()) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      fetchPairs(x, y, [run], { rank: null, attempt: null, axis: 'step', lo: null, hi: null, smoothing: null }, null, controller.signal).then(
        ([pairs]) => setTrial({ text, error: '', steps: pairs!.total }),
        (e: unknown) => {
          if (controller.signal.aborted || e instanceof UnreachableError) return;
          if (!(e instanceof ApiError)) throw e;
          setTrial({ text, error: e.message, steps: 0 });
        },
      );
    }, TRY_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [run, text]);
  return trial?.text === text ? trial : null;
}
