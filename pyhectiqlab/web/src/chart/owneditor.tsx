// A chart of one's own: its title, and the pattern whose keys it draws, with a look at which these are.

import { useEffect, useRef, useState } from 'preact/hooks';
import { matching, OWN_KEYS_MAX, PATTERN_MAX, patternOf, type OwnPanel } from '../base/boardsettings';
import { plural } from '../base/format';

interface Props {
  panel: OwnPanel;
  keys: readonly string[];
  /** There are more keys than these. */
  some: boolean;
  onSave: (panel: OwnPanel) => void;
  onClose: () => void;
}

export function OwnEditor({ panel, keys, some, onSave, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [pattern, setPattern] = useState(panel.pattern);
  const [title, setTitle] = useState(panel.title);
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    return () => d.close();
  }, []);
  const valid = patternOf(pattern) !== null;
  const found = matching(keys, pattern);
  const save = (e: Event) => {
    e.preventDefault();
    if (valid) onSave({ ...panel, pattern, title: title.trim() });
  };
  return (
    <dialog class="own-editor" ref={dialog} aria-label="Chart of several metrics" onCancel={(e) => (e.preventDefault(), onClose())}>
      <form onSubmit={save}>
        <h2>Chart of several metrics</h2>
        <label>
          Metrics, as a regular expression
          <input autofocus value={pattern} maxLength={PATTERN_MAX} placeholder="loss|accuracy" spellcheck={false} onInput={(e) => setPattern(e.currentTarget.value)} aria-invalid={pattern !== '' && !valid} />
        </label>
        <label>
          Title
          <input value={title} placeholder={pattern || 'loss|accuracy'} onInput={(e) => setTitle(e.currentTarget.value)} />
        </label>
        <div role="status">
          {!valid ? (
            <p class="dim">{pattern.trim() ? 'This is no regular expression.' : 'For example: loss$, ^valid/, head[0-9]+/norm.'}</p>
          ) : (
            <>
              <p>
                {plural(found.length, 'metric')} of {keys.length}{some && ' looked at'}
                {found.length > OWN_KEYS_MAX && `: the first ${OWN_KEYS_MAX} are drawn`}
              </p>
              <ul class="own-found">{found.slice(0, OWN_KEYS_MAX).map((key) => <li key={key}>{key}</li>)}</ul>
            </>
          )}
        </div>
        <div class="own-buttons">
          <button class="button" type="button" onClick={onClose}>Cancel</button>
          <button class="button primary" type="submit" disabled={!valid}>Save</button>
        </div>
      </form>
    </dialog>
  );
}
