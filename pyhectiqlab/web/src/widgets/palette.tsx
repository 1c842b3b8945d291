// The palette: one field that leads to runs, projects, columns, charts and files, and offers what the page can do.

import type { TargetedKeyboardEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Command } from '../base/commands';
import { below } from '../base/root';
import { useFinding } from '../state/finding';
import { overlay } from '../state/keyboard';
import { navigate, useRoute } from '../state/router';
import { Icon } from './icon';

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const commands = useFinding(typed, useRoute());
  const active = Math.min(at, commands.length - 1);
  const close = () => overlay.set(null);
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    return () => d.close();
  }, []);
  function run(command: Command | undefined): void {
    if (!command) return;
    close();
    if (command.to !== undefined) {
      navigate(below(command.to));
      window.scrollTo(0, 0);
    } else command.act?.();
  }
  function onKeyDown(e: TargetedKeyboardEvent<HTMLInputElement>): void {
    const by = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (by && commands.length) setAt((active + by + commands.length) % commands.length);
    else if (e.key === 'Enter') run(commands[active]);
    else return;
    e.preventDefault();
  }
  return (
    <dialog ref={dialog} class="palette" aria-label="Find or do" onCancel={(e) => (e.preventDefault(), close())} onClick={(e) => e.target === dialog.current && close()}>
      <div class="search">
        <Icon name="search" />
        <input
          role="combobox"
          aria-label="Find or do"
          aria-autocomplete="list"
          aria-expanded={commands.length > 0}
          aria-controls="palette-list"
          aria-activedescendant={active >= 0 ? `palette-${active}` : undefined}
          placeholder="A run, a project, a metric, a file, or what to do"
          autocomplete="off"
          spellcheck={false}
          maxLength={256}
          value={typed}
          onInput={(e) => (setTyped(e.currentTarget.value), setAt(0))}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul id="palette-list" role="listbox" aria-label="What fits">
        {commands.map((command, i) => (
          <li
            key={`${command.kind} ${command.text} ${command.about ?? ''} ${command.to ?? ''}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === active}
            ref={(element) => void (i === active && element?.scrollIntoView({ block: 'nearest' }))}
            onClick={() => run(command)}
          >
            <span class="dim">{commands[i - 1]?.kind === command.kind ? '' : command.kind}</span>
            <span class="palette-text">{command.text}</span>
            <span class="dim">{command.about}</span>
          </li>
        ))}
      </ul>
      {commands.length === 0 && <p class="dim" role="status">Nothing fits.</p>}
    </dialog>
  );
}
