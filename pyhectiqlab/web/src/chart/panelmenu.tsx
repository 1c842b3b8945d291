// The settings of one panel: its scale, the values that its y axis covers, its size.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../widgets/icon';
import { later } from '../widgets/later';
import type { MenuProps } from './menuprops';

const Contents = later(() => import('./panelsettings').then((its) => its.Contents));

/** The contents exist only while the menu is open, because there may be hundreds of panels. */
export function PanelMenu(props: MenuProps) {
  const root = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const close = (e: Event) => {
      if (!root.current?.contains(e.target as Node)) root.current?.removeAttribute('open');
    };
    document.addEventListener('pointerdown', close);
    return () => document.removeEventListener('pointerdown', close);
  }, [open]);
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== 'Escape' || !root.current!.open) return;
    e.stopPropagation();
    e.preventDefault(); // so that an enlarged panel stays
    root.current!.removeAttribute('open');
    root.current!.querySelector('summary')!.focus();
  };
  return (
    <details class="menu" ref={root} onKeyDown={onKeyDown} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary class="icon-button" aria-label={`Settings of ${props.metric}`} title="Settings of this chart"><Icon name="more" /></summary>
      {open && <Contents {...props} />}
    </details>
  );
}
