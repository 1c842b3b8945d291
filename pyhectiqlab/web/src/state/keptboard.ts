// The arrangement of a project's charts, kept in this browser.

import { useMemo } from 'preact/hooks';
import { readSettings, type BoardSettings } from '../base/boardsettings';
import { Store, useStore } from './store';

const keyOf = (name: string) => `hectiqlab.board.${name}`;
const stores = new Map<string, Store<BoardSettings>>();

function storeOf(name: string): Store<BoardSettings> {
  const held = stores.get(name);
  if (held) return held;
  let kept: unknown = null;
  try {
    kept = JSON.parse(localStorage.getItem(keyOf(name)) ?? 'null');
  } catch {
    // No storage in this browser, or something else has written there.
  }
  const store = new Store(readSettings(kept));
  stores.set(name, store);
  return store;
}

/** `name`: whose charts these are; '' is kept until the page is left. */
export function useBoardSettings(name: string): [BoardSettings, (settings: BoardSettings) => void] {
  const store = useMemo(() => storeOf(name), [name]);
  const set = (settings: BoardSettings) => {
    store.set(settings);
    if (!name) return;
    try {
      localStorage.setItem(keyOf(name), JSON.stringify(settings));
    } catch {
      // They last until the page is left.
    }
  };
  return [useStore(store), set];
}
