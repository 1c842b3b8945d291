// The saved views of a project's page: opening, saving, sharing and deleting them, and whether the page was changed since.

import { useState } from 'preact/hooks';
import type { ViewAnswer } from '../schema/lab';
import { isFirst } from '../base/savedview';
import type { OpenedView } from '../state/openedview';
import type { SavedViews } from '../state/savedviews';
import { Confirm } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { Popover } from '../widgets/popover';
import { NAME_CHARS_MAX } from './picked';

interface Props {
  views: SavedViews;
  opened: OpenedView;
  /** Whether the reader may share views of the project. */
  shares: boolean;
}

export function ViewMenu({ views, opened, shares }: Props) {
  const { view, changes } = opened;
  const changed = view !== null && changes.length > 0;
  return (
    <div class="view-bar" role="group" aria-label="Saved view">
      <Popover text={view ? view.name : 'Views'} label="Views">{(close) => <Views views={views} opened={opened} shares={shares} close={close} />}</Popover>
      {changed && <span class="dim" role="status" title={`Not as it was saved: ${changes.join(', ')}`}>changed: {changes.join(', ')}</span>}
      {changed && view.can_change && <button class="link" disabled={views.busy} onClick={() => void opened.save()}>Save</button>}
      {changed && <button class="link" onClick={() => opened.open(view)}>Revert</button>}
      {opened.gone && <span class="problem" role="alert">The view of this link is gone, or not shared with you.</span>}
      {views.problem && <span class="problem" role="alert">{views.problem}</span>}
    </div>
  );
}

function Views({ views, opened, shares, close }: Props & { close: () => void }) {
  const { view } = opened;
  const all = views.all ?? [];
  const open = (its: ViewAnswer | null) => (opened.open(its), close());
  return (
    <div class="views">
      <NameForm label="Name of the new view" button="Save as" shares={shares} busy={views.busy} onSay={async (name, shared) => (await opened.saveAs(name, shared)) && close()} />
      <div class="picker-list">
        {all.map((its) => (
          <button key={its.id} class="view-item" aria-current={its.id === view?.id} onClick={() => open(its)}>
            <span>{its.name}</span>
            <span class="dim">{[isFirst(its.document) && 'first', its.shared ? (its.own ? 'shared' : `of ${its.author}`) : 'private'].filter(Boolean).join(' · ')}</span>
          </button>
        ))}
        <button class="view-item" aria-current={!view} onClick={() => open(null)}>
          <span>Without a view</span>
          {!view && <Icon name="check" />}
        </button>
      </div>
      {view && <Open key={view.id} view={view} views={views} opened={opened} shares={shares} close={close} />}
    </div>
  );
}

/** What can be done with the open view. */
function Open({ view, views, opened, shares, close }: Props & { view: ViewAnswer; close: () => void }) {
  const [naming, setNaming] = useState(false);
  if (!view.can_change) return <p class="dim">{view.name} is of {view.author}: save it under a name of your own to change it.</p>;
  const rename = async (name: string) => (await views.change(view, { name })) && setNaming(false);
  return (
    <section class="view-open" aria-label={`The view ${view.name}`}>
      <label class="check"><input type="checkbox" checked={isFirst(view.document)} disabled={views.busy} onChange={(e) => void opened.setFirst(e.currentTarget.checked)} />Shown first</label>
      <label class="check" title={shares ? 'Everybody who can see the project sees it' : 'Members of the project share views'}>
        <input type="checkbox" checked={view.shared} disabled={views.busy || (!shares && !view.shared)} onChange={(e) => void views.change(view, { shared: e.currentTarget.checked })} />
        Shared
      </label>
      {naming ? (
        <NameForm label="New name of the view" button="Rename" first={view.name} busy={views.busy} onSay={rename} />
      ) : (
        <button class="link" onClick={() => setNaming(true)}>Rename</button>
      )}
      <Confirm text="Delete" question={`Delete ${view.name}?`} onYes={() => void opened.remove().then(close)} />
    </section>
  );
}

interface NameProps {
  label: string;
  button: string;
  first?: string;
  /** Whether the reader may share it: then the form asks. undefined: the form does not ask. */
  shares?: boolean;
  busy: boolean;
  onSay: (name: string, shared: boolean) => Promise<unknown>;
}

function NameForm({ label, button, first = '', shares, busy, onSay }: NameProps) {
  const [name, setName] = useState(first);
  const [shared, setShared] = useState(false);
  const submit = (e: Event) => {
    e.preventDefault();
    if (name.trim()) void onSay(name.trim(), shared);
  };
  return (
    <form class="view-name" onSubmit={submit}>
      <input value={name} maxLength={NAME_CHARS_MAX} aria-label={label} placeholder={label} autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} />
      {shares && <label class="check"><input type="checkbox" checked={shared} onChange={(e) => setShared(e.currentTarget.checked)} />Shared</label>}
      <button class="button" disabled={busy || !name.trim()}>{button}</button>
    </form>
  );
}
