// The arrangement of a project's charts, kept in this browser.

import { useMemo } from 'preact/hooks';
import { NO_SETTINGS, readSettings, type BoardSettings } from '../base/boardsettings';
import { Store, useStore } from './store';

const keyOf = (name: string) => `hectiqlab.board.${name}`;
const stores = new Map<string, Store<BoardSettings>>();

/** Return the arrangement of charts that is kept as `name`; that of '' lasts until the reader leaves the page. */
export function boardOf(name: string): Store<BoardSettings> {
  const held = stores.get(name);
  if (held) return held;
  let kept: unknown = null;
  try {
    kept = JSON.parse(localStorage.getItem(keyOf(name)) ?? 'null');
  } catch {
    // No storage in this browser, or somebody else has written there.
  }
  const store = new Store(readSettings(kept));
  stores.set(name, store);
  return store;
}

/** Set the settings that a board has until somebody changes it in this browser. */
export function beginBoard(name: string, settings: BoardSettings): void {
  const store = boardOf(name);
  try {
    if (localStorage.getItem(keyOf(name)) !== null) return;
  } catch {
    if (store.value !== NO_SETTINGS) return; // without storage, the change exists only here
  }
  store.set(settings);
}

/** Forget the changes of a board in this browser: it has these settings again. */
export function resetBoard(name: string, settings: BoardSettings): void {
  boardOf(name).set(settings);
  try {
    localStorage.removeItem(keyOf(name));
  } catch {
    // Nothing was kept.
  }
}

export function useBoardSettings(name: string): [BoardSettings, (settings: BoardSettings) => void] {
  const store = useMemo(() => boardOf(name), [name]);
  const set = (settings: BoardSettings) => {
    store.set(settings);
    if (!name) return;
    try {
      localStorage.setItem(keyOf(name), JSON.stringify(settings));
    } catch {
      // The change lasts until the reader leaves the page.
    }
  };
  return [useStore(store), set];
}
