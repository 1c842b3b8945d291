// What can be done with the picked rows of the runs' table: draw, tag, note, group, move, archive, delete; and what was done
// last, with Undo.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { plural } from '../base/format';
import { RUNS_MAX } from '../base/route';
import type { TableRow } from '../schema/lab';
import type { Actions, RunAction } from '../state/actions';
import { useLoad } from '../state/load';
import type { Rows } from '../state/tablerows';
import { Confirm } from '../widgets/basics';

const ASKED = { tag: 'Tag', untag: 'Untag', note: 'Note', group: 'Group', move: 'Move' } as const;
type Kind = keyof typeof ASKED;
const WORDS: Record<Kind, { label: string; button: string; list?: string }> = {
  tag: { label: 'Tag for', button: 'Add tag', list: 'known-tags' },
  untag: { label: 'Tag to remove from', button: 'Remove tag', list: 'known-tags' },
  note: { label: 'Note of', button: 'Set note' },
  group: { label: 'Group for', button: 'Set group', list: 'known-groups' },
  move: { label: 'Project for', button: 'Move', list: 'known-projects' },
};
const PLACEHOLDERS = { tag: 'Name of the tag', untag: 'Name of the tag', group: 'Empty: no group', move: 'Name of the project' };
export const NAME_CHARS_MAX = 512;
export const NOTE_CHARS_MAX = 65_536;

interface PickedProps {
  picks: readonly string[];
  rows: Rows | null;
  actions: Actions;
  /** Draw these runs and no others. */
  onDraw: (runs: readonly string[]) => void;
  onClear: () => void;
  /** Whether to explain the ticks. */
  hint: boolean;
}

export function Picked({ picks, rows, actions, onDraw, onClear, hint }: PickedProps) {
  const [asked, setAsked] = useState<Kind | null>(null);
  if (!picks.length) return hint && <span class="dim hint-inline">Tick runs to tag, note, group, move, archive or delete them, or to draw them alone.</span>;
  const remove = () => void actions.remove(picks).then(onClear);
  const act = async (action: RunAction) => (await actions.act(action)) && setAsked(null);
  const archived = known(rows, picks);
  const shelve = archived.length > 0 && archived.every((run) => run.archived !== null) ? 'unarchive' : 'archive';
  return (
    <>
      <span class="picked">
        <b class="num">{plural(picks.length, 'run')} picked</b>
        {picks.length <= RUNS_MAX && <button class="link" onClick={() => onDraw(picks)}>Draw only {picks.length === 1 ? 'it' : 'these'}</button>}
        {Object.entries(ASKED).map(([kind, text]) => (
          <button key={kind} class="link" aria-expanded={asked === kind} onClick={() => setAsked(asked === kind ? null : (kind as Kind))}>{text}</button>
        ))}
        <button class="link" disabled={actions.busy} onClick={() => void actions.act({ action: shelve, runs: [...picks] })}>{shelve === 'archive' ? 'Archive' : 'Unarchive'}</button>
        <Confirm text="Delete" question={`Delete ${plural(picks.length, 'run')}?`} onYes={remove} />
        <button class="link" onClick={onClear}>Clear</button>
      </span>
      {asked && <Ask key={asked} kind={asked} selected={picks} rows={rows} busy={actions.busy} onSay={act} onClose={() => setAsked(null)} />}
    </>
  );
}

interface AskProps {
  kind: Kind;
  selected: readonly string[];
  rows: Rows | null;
  busy: boolean;
  onSay: (action: RunAction) => Promise<unknown>;
  onClose: () => void;
}

function Ask({ kind, selected, rows, busy, onSay, onClose }: AskProps) {
  const runs = [...selected];
  const [text, setText] = useState('');
  const form = useRef<HTMLFormElement>(null);
  // A layout effect, so that Escape closes the form from the beginning.
  useLayoutEffect(() => form.current?.querySelector<HTMLElement>('input, textarea')?.focus(), []);
  const one = kind === 'note' && runs.length === 1 ? runs[0] : undefined;
  useEffect(() => {
    if (!one) return;
    const stop = new AbortController();
    // A list has only the beginning of a note.
    api.run(one, stop.signal).then(
      (run) => setText((typed) => typed || run.note),
      () => {}, // then the note is written anew
    );
    return () => stop.abort();
  }, [one]);
  const submit = (e: Event) => {
    e.preventDefault();
    if (kind === 'note') void onSay({ action: kind, runs, text });
    else if (kind === 'group') void onSay({ action: kind, runs, group: text.trim() });
    else if (kind === 'move' && text.trim()) void onSay({ action: kind, runs, project: text.trim() });
    else if (kind !== 'move' && text.trim()) void onSay({ action: kind, runs, name: text.trim() });
  };
  const { label, button, list } = WORDS[kind];
  const named = `${label} ${plural(runs.length, 'run')}`;
  return (
    <form ref={form} class={`ask ask-${kind}`} aria-label={named} onSubmit={submit} onKeyDown={(e) => e.key === 'Escape' && onClose()}>
      {kind === 'note' ? (
        <textarea rows={3} value={text} maxLength={NOTE_CHARS_MAX} aria-label={named} placeholder={runs.length > 1 ? 'Replaces the notes that they have' : ''} onInput={(e) => setText(e.currentTarget.value)} />
      ) : (
        <input value={text} maxLength={NAME_CHARS_MAX} aria-label={named} placeholder={PLACEHOLDERS[kind]} list={list} required={kind !== 'group'} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
      )}
      {kind === 'move' && <ProjectNames />}
      {kind === 'group' && <datalist id="known-groups">{groupNames(rows).map((name) => <option key={name} value={name} />)}</datalist>}
      {(kind === 'tag' || kind === 'untag') && <datalist id="known-tags">{tagNames(rows, kind === 'untag' ? selected : null).map((name) => <option key={name} value={name} />)}</datalist>}
      <button class="button primary" disabled={busy}>{button}</button>
      <button type="button" class="link" onClick={onClose}>Cancel</button>
    </form>
  );
}

/** Suggestions for the project. The lab takes only a project to which the user may add runs. */
function ProjectNames() {
  const { data } = useLoad((signal) => api.projects('active', null, signal), []);
  return <datalist id="known-projects">{(data?.items ?? []).map((project) => <option key={project.id} value={project.name} />)}</datalist>;
}

/** Return the loaded rows, or those of them in `only`. */
function known(rows: Rows | null, only: readonly string[] | null): TableRow[] {
  return [...(rows?.blocks.values() ?? [])].flat().filter((run): run is TableRow => !!run && (!only || only.includes(run.id)));
}

/** Return the tags of the loaded rows, or of those of them in `only`. */
export function tagNames(rows: Rows | null, only: readonly string[] | null): string[] {
  return [...new Set(known(rows, only).flatMap((run) => run.tags.map((tag) => tag.name)))].sort();
}

function groupNames(rows: Rows | null): string[] {
  return [...new Set(known(rows, null).map((run) => run.group))].filter(Boolean).sort();
}

export function ActionDone({ actions: { done, undoable, problem, busy, undo } }: { actions: Actions }) {
  return (
    <>
      {done && (
        <p class="done" role="status">
          {done}
          {undoable && <button class="link" disabled={busy} onClick={() => void undo()}>Undo</button>}
        </p>
      )}
      {problem && <p class="problem" role="alert">{problem}</p>}
    </>
  );
}
