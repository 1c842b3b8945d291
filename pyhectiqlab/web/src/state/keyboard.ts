// Carries out the keys of base/hotkeys.ts, on any page.

import { useLayoutEffect } from 'preact/hooks';
import { hotkeyOf, type HotkeyAction } from '../base/hotkeys';
import { Store } from './store';

export type Overlay = 'palette' | 'sheet';

/** What covers the page. */
export const overlay = new Store<Overlay | null>(null);
export const IS_MAC = /mac|iphone|ipad/i.test(navigator.userAgent);

const ROW = 'tr[data-run], tr.group-row';
let lastRow = 0; // aria-rowindex of the row that had the focus last; its element may be gone after scrolling

/**
 * Bind the keys while the component is there. A layout effect, so that a page takes keys as soon as it is drawn: other effects
 * may come frames later.
 */
export function useHotkeys(): void {
  useLayoutEffect(() => {
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const target = event.target as Element;
  const hotkey = hotkeyOf(event, { typing: isTyping(target), rows: rows().length > 0, row: rowOf(target) !== null });
  if (!hotkey) return;
  // A dialog has its own keys, and the page below it must not move.
  if (document.querySelector('dialog[open], .panel-pop, .column-menu:popover-open') && hotkey.action !== 'palette') return;
  // The space bar presses the button, or ticks the box, that has the focus.
  if (event.key === ' ' && target.closest('button, input, select, summary, [role="separator"]')) return;
  event.preventDefault();
  ACTIONS[hotkey.action](rowOf(target));
}

const ACTIONS: Record<HotkeyAction, (row: Element | null) => void> = {
  palette: () => overlay.set(overlay.value === 'palette' ? null : 'palette'),
  sheet: () => overlay.set('sheet'),
  search: () => {
    const field = [...document.querySelectorAll<HTMLInputElement>('main .search input')].find((input) => input.checkVisibility());
    field?.focus();
    field?.select();
  },
  next: (row) => move(row, 1),
  previous: (row) => move(row, -1),
  first: () => focusRow(rows()[0]),
  last: () => focusRow(rows().at(-1)),
  tick: (row) => press(row, '.pick input'),
  tickThrough: (row) => press(row, '.pick input', true),
  draw: (row) => press(row, '.eye .icon-button'),
  solo: (row) => press(row, '.eye .look'),
  edit: (row) => press(row, '.edit'),
};

function rows(): Element[] {
  return [...document.querySelectorAll(`.runs-scroll tbody :is(${ROW})`)];
}

function rowOf(element: Element): Element | null {
  return element.closest(ROW);
}

function move(row: Element | null, by: number): void {
  const all = rows();
  // If the focus was elsewhere meanwhile, it returns to the row that had it last.
  focusRow(row ? all[all.indexOf(row) + by] : (all.find((one) => indexOf(one) === lastRow) ?? all[0]));
}

function focusRow(row: Element | undefined): void {
  if (!row) return;
  lastRow = indexOf(row);
  row.querySelector<HTMLElement>('.run-name :is(a, button)')?.focus({ preventScroll: true });
  row.scrollIntoView({ block: 'nearest' });
}

function indexOf(row: Element): number {
  return Number(row.getAttribute('aria-rowindex'));
}

function press(row: Element | null, what: string, shiftKey = false): void {
  row?.querySelector(what)?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey }));
}

/** Return whether an element takes keys as text. */
function isTyping(element: Element): boolean {
  if (element instanceof HTMLInputElement) return !['checkbox', 'radio', 'range', 'button', 'submit', 'color', 'file'].includes(element.type);
  return element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement || (element instanceof HTMLElement && element.isContentEditable);
}
