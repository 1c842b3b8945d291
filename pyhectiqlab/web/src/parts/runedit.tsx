// Editing one run of the table: its name, its note, its tags, and the colour of its line in this browser.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { PALETTE, type Look } from '../base/looks';
import type { TableRow } from '../schema/lab';
import type { Actions, RunAction } from '../state/actions';
import { useLoad } from '../state/load';
import { chooseColor } from '../state/runlooks';
import { TagChip, Waiting } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { NAME_CHARS_MAX, NOTE_CHARS_MAX } from './picked';

interface Props {
  run: TableRow;
  /** undefined: the run is not drawn. */
  look: Look | undefined;
  /** The tags that other runs have. */
  known: readonly string[];
  actions: Actions;
  onClose: () => void;
}

export function RunEdit({ run, look, known, actions, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { data } = useLoad((signal) => api.run(run.id, signal), [run.id]); // a list has only the beginning of a note
  const [note, setNote] = useState<string | null>(null); // null: unchanged
  const [newName, setNewName] = useState<string | null>(null);
  const [added, setAdded] = useState<readonly string[]>([]);
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const [name, setName] = useState('');
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    return () => d.close();
  }, []);
  const readable = data !== null;
  useEffect(() => dialog.current?.querySelector('textarea')?.focus(), [readable]);
  const before = data?.tags ?? run.tags;
  const add = () => {
    const tag = name.trim();
    setName('');
    if (!tag) return;
    setRemoved(removed.filter((other) => other !== tag));
    if (!before.some((t) => t.name === tag)) setAdded([...new Set([...added, tag])]);
  };
  const save = async (e: Event) => {
    e.preventDefault();
    const runs = [run.id];
    const typed = name.trim();
    const tags = typed && !before.some((t) => t.name === typed) ? [...new Set([...added, typed])] : added;
    const all: RunAction[] = [
      ...removed.map((tag): RunAction => ({ action: 'untag', runs, name: tag })),
      ...tags.map((tag): RunAction => ({ action: 'tag', runs, name: tag })),
      ...(newName !== null && newName.trim() && newName.trim() !== data?.name ? [{ action: 'names', names: { [run.id]: newName.trim() } } as const] : []),
      ...(note !== null && note !== data?.note ? [{ action: 'note', runs, text: note } as const] : []),
    ];
    if (!all.length || (await actions.act(...all))) onClose();
  };
  return (
    <dialog ref={dialog} class="run-edit" aria-label={`Change ${run.name}`} onCancel={(e) => (e.preventDefault(), onClose())} onClick={(e) => e.target === dialog.current && onClose()}>
      <form onSubmit={(e) => void save(e)}>
        <h2 class="name">{run.name}</h2>
        {actions.problem && <p class="problem" role="alert">{actions.problem}</p>}
        {!data ? <Waiting /> : !data.can_write ? (
          <p class="dim">Its name, note and tags are changed by {data.author} and by those who manage the project.</p>
        ) : (
          <>
            <label>
              Name
              <input value={newName ?? data.name} maxLength={NAME_CHARS_MAX} required autocomplete="off" onInput={(e) => setNewName(e.currentTarget.value)} />
            </label>
            <label>
              Note
              <textarea
                rows={4}
                value={note ?? data.note}
                maxLength={NOTE_CHARS_MAX}
                onInput={(e) => setNote(e.currentTarget.value)}
                onKeyDown={(e) => e.key === 'Enter' && (e.ctrlKey || e.metaKey) && void save(e)}
              />
            </label>
            <div class="tags-edit" role="group" aria-label="Tags">
              {before.filter((t) => !removed.includes(t.name)).map((t) => (
                <span key={t.name}><TagChip tag={t} /><Remove tag={t.name} onClick={() => setRemoved([...removed, t.name])} /></span>
              ))}
              {added.map((tag) => (
                <span key={tag}><TagChip tag={{ name: tag, color: '' }} /><Remove tag={tag} onClick={() => setAdded(added.filter((other) => other !== tag))} /></span>
              ))}
              <input
                value={name}
                maxLength={NAME_CHARS_MAX}
                aria-label="Another tag"
                placeholder="Another tag"
                list="tags-of-others"
                autocomplete="off"
                onInput={(e) => setName(e.currentTarget.value)}
                onKeyDown={(e) => e.key === 'Enter' && name.trim() && (e.preventDefault(), add())}
              />
              <datalist id="tags-of-others">{known.map((tag) => <option key={tag} value={tag} />)}</datalist>
            </div>
          </>
        )}
        {look && <Colors run={run} look={look} />}
        <p class="actions">
          {data?.can_write && <button class="button primary" disabled={actions.busy}>Save</button>}
          <button type="button" class="button" onClick={onClose}>Close</button>
        </p>
      </form>
    </dialog>
  );
}

function Remove({ tag, onClick }: { tag: string; onClick: () => void }) {
  return <button type="button" class="icon-button" aria-label={`Remove the tag ${tag}`} onClick={onClick}><Icon name="close" /></button>;
}

/** The colour of the line. A choice is kept at once, in this browser. */
function Colors({ run, look }: { run: TableRow; look: Look }) {
  const choose = (color: string) => chooseColor(run.project.id, run.id, color);
  return (
    <div class="colors" role="group" aria-label="Colour of its line">
      {PALETTE.map((color) => (
        <button key={color} type="button" class="color" aria-label={color} aria-pressed={look.color === color} style={{ background: color }} onClick={() => choose(color)} />
      ))}
      <input type="color" value={look.color} aria-label="Any colour" onInput={(e) => choose(e.currentTarget.value)} />
      <button type="button" class="link" onClick={() => choose('')}>As at first</button>
    </div>
  );
}
