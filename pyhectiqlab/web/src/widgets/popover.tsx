// A button that opens a panel below it. Escape, or a click elsewhere, closes the panel.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

const MARGIN = 8; // px between the panel and the edge of the window

interface Props {
  text: string;
  /** The name of the panel, for readers who cannot see it. */
  label?: string;
  class?: string;
  children: (close: () => void) => ComponentChildren;
}

export function Popover({ text, label = text, class: kind = 'button', children }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => (setOpen(false), button.current?.focus());
  return (
    <div class="picker">
      <button ref={button} class={kind} aria-expanded={open} onClick={() => setOpen(!open)}>{text}</button>
      {open && <Panel label={label} onClose={close}>{children(close)}</Panel>}
    </div>
  );
}

function Panel({ label, onClose, children }: { label: string; onClose: () => void; children: ComponentChildren }) {
  const panel = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { style } = panel.current!;
    const beyond = panel.current!.getBoundingClientRect().right + MARGIN - document.documentElement.clientWidth;
    if (beyond > 0) style.left = `${-beyond}px`;
  }, []);
  useEffect(() => panel.current?.querySelector('input')?.focus(), []);
  useEffect(() => {
    const outside = (e: PointerEvent) => !panel.current?.parentElement?.contains(e.target as Node) && onClose();
    // Listen on the document: a button that hides its own column is gone, and with it the focus.
    const escape = (e: KeyboardEvent) => e.key === 'Escape' && onClose();
    document.addEventListener('pointerdown', outside);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('keydown', escape);
    };
  }, []);
  return <div ref={panel} class="panel-pop" role="dialog" aria-label={label}>{children}</div>;
}
