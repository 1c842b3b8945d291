// The sheet of the keys, made from the table that binds them.

import { useEffect, useRef } from 'preact/hooks';
import { HOTKEYS, keyLabel, OTHER_KEYS, type Hotkey } from '../base/hotkeys';
import { IS_MAC, overlay } from '../state/keyboard';

const PLACES: readonly (readonly [string, (where: Hotkey['where']) => boolean])[] = [
  ['Everywhere', (where) => where === 'everywhere'],
  ['In a table of runs', (where) => where !== 'everywhere'],
];

export function KeySheet() {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = () => overlay.set(null);
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    return () => d.close();
  }, []);
  return (
    <dialog ref={dialog} class="key-sheet" aria-labelledby="key-sheet-title" onCancel={(e) => (e.preventDefault(), close())} onClick={(e) => e.target === dialog.current && close()}>
      <h2 id="key-sheet-title">Keys</h2>
      {PLACES.map(([title, isHere]) => (
        <section key={title}>
          <h3>{title}</h3>
          <dl>
            {lines(HOTKEYS.filter((hotkey) => isHere(hotkey.where))).map(([does, keys]) => (
              <div key={does}>
                <dt>{keys.map((key) => <kbd key={key}>{keyLabel(key, IS_MAC)}</kbd>)}</dt>
                <dd>{does}</dd>
              </div>
            ))}
            {title === 'Everywhere' && OTHER_KEYS.map(([key, does]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}
          </dl>
        </section>
      ))}
      <button class="button" onClick={close}>Close</button>
    </dialog>
  );
}

/** Return what the keys do, each with all its keys. */
function lines(hotkeys: readonly Hotkey[]): [string, string[]][] {
  const by = new Map<string, string[]>();
  for (const { does, keys } of hotkeys) by.set(does, [...(by.get(does) ?? []), ...keys]);
  return [...by];
}
