// The keys of the pages in one table: what each does, and what the sheet of keys shows. state/keyboard.ts carries it out.

export type HotkeyAction = 'palette' | 'search' | 'sheet' | 'next' | 'previous' | 'first' | 'last' | 'tick' | 'tickThrough' | 'draw' | 'solo' | 'edit';

export interface Hotkey {
  action: HotkeyAction;
  keys: readonly string[]; // names as `keyName` returns them
  does: string;
  where: 'everywhere' | 'rows' | 'row'; // rows: on a page with a table of runs; row: if a row of it has the focus
  typing?: true; // also while somebody types
}

export const HOTKEYS: readonly Hotkey[] = [
  { action: 'palette', keys: ['Mod+k'], does: 'Find runs, projects, metrics, files, or what to do', where: 'everywhere', typing: true },
  { action: 'search', keys: ['/'], does: 'Go to the search of the page', where: 'everywhere' },
  { action: 'sheet', keys: ['?'], does: 'Show the keys', where: 'everywhere' },
  { action: 'next', keys: ['j'], does: 'Next run', where: 'rows' },
  { action: 'previous', keys: ['k'], does: 'Run before', where: 'rows' },
  { action: 'next', keys: ['ArrowDown'], does: 'Next run', where: 'row' },
  { action: 'previous', keys: ['ArrowUp'], does: 'Run before', where: 'row' },
  { action: 'first', keys: ['Home'], does: 'First run that is in sight', where: 'row' },
  { action: 'last', keys: ['End'], does: 'Last run that is in sight', where: 'row' },
  { action: 'tick', keys: ['Space', 'x'], does: 'Tick the run', where: 'row' },
  { action: 'tickThrough', keys: ['Shift+Space'], does: 'Tick all runs from the one ticked last', where: 'row' },
  { action: 'draw', keys: ['v'], does: 'Draw the run, or leave it out', where: 'row' },
  { action: 'solo', keys: ['s'], does: 'Draw the run alone, or the others again', where: 'row' },
  { action: 'edit', keys: ['e'], does: 'Change note, tags and colour of the run', where: 'row' },
];

/** Keys that browsers and controls have by themselves, for the sheet of keys. */
export const OTHER_KEYS: readonly (readonly [string, string])[] = [
  ['Enter', 'Open the run'],
  ['Escape', 'Close what is open'],
  ['Tab', 'In the search: take the first suggestion'],
];

interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** Return the name of the keys that were pressed: "j", "?", "Shift+Space", "Mod+k" (Ctrl, or Command on a Mac). */
export function keyName({ key, ctrlKey, metaKey, altKey, shiftKey }: Pressed): string {
  const plain = key === ' ' ? 'Space' : key.length === 1 && (ctrlKey || metaKey) ? key.toLowerCase() : key;
  // A character already says whether Shift was held.
  return [(ctrlKey || metaKey) && 'Mod+', altKey && 'Alt+', shiftKey && plain.length > 1 && 'Shift+', plain].filter(Boolean).join('');
}

export function hotkeyOf(pressed: Pressed, at: { typing: boolean; rows: boolean; row: boolean }): Hotkey | null {
  const name = keyName(pressed);
  const its = HOTKEYS.find((hotkey) => hotkey.keys.includes(name) && (hotkey.where === 'everywhere' || at[hotkey.where]));
  return its && (its.typing || !at.typing) ? its : null;
}

/** Return the name that stands on the keyboard. */
export function keyLabel(name: string, mac: boolean): string {
  return name.replace('Mod+', mac ? '⌘ ' : 'Ctrl ').replace('Shift+', 'Shift ').replace('ArrowDown', '↓').replace('ArrowUp', '↑').replace(/ (\w)$/, (_, c: string) => ` ${c.toUpperCase()}`);
}
