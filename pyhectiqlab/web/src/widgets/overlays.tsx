// The keys of all pages, and what they open, which is loaded when it is first opened.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { overlay, useHotkeys, type Overlay } from '../state/keyboard';
import { useStore } from '../state/store';

const LOADED: Record<Overlay, () => Promise<ComponentType>> = {
  palette: () => import('./palette').then((its) => its.Palette),
  sheet: () => import('./keysheet').then((its) => its.KeySheet),
};

export function Overlays() {
  useHotkeys();
  const open = useStore(overlay);
  const [known, setKnown] = useState<Partial<Record<Overlay, ComponentType>>>({});
  useEffect(() => {
    if (!open || known[open]) return;
    LOADED[open]().then(
      (component) => setKnown((others) => ({ ...others, [open]: component })),
      () => overlay.set(null), // the lab does not answer: the line at the top says so, and the key can be pressed again
    );
  }, [open, known]);
  const Shown = open && known[open];
  return Shown ? <Shown /> : null;
}
