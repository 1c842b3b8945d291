// Which columns of the table stay in place while it scrolls sideways, and how wide somebody made columns.

import { COLUMNS_MAX, parseColumn } from './tablecolumns';

export interface ColumnLayout {
  pinned: readonly string[];
  widths: Readonly<Record<string, number>>; // px, by column or NAME
}

export const NAME = 'name'; // the column that is always shown
export const NO_LAYOUT: ColumnLayout = { pinned: [], widths: {} };
export const WIDTH_MIN = 50;
export const WIDTH_MAX = 900;
const PINNED_PX = 120; // width of a pinned column that nobody resized: the next one must know where to begin
const NAME_PX = 220;
const BEFORE_NAME_PX = 102; // width of the ticks and eyes: see .runs .run-name of styles.css

export const fitting = (px: number) => Math.round(Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, px)));

/** Read the layout of a link as untrusted input: names, and texts such as `120 config."lr"`. */
export function readLayout(pinned: readonly unknown[], widths: readonly unknown[]): ColumnLayout {
  const names = pinned.filter((name): name is string => typeof name === 'string' && parseColumn(name) !== null);
  const read = widths.slice(0, COLUMNS_MAX + 1).flatMap((text): [string, number][] => {
    const [, px, name] = (typeof text === 'string' && /^(\d{1,4}) (.+)$/s.exec(text)) || [];
    return px && name && (name === NAME || parseColumn(name)) ? [[name, fitting(Number(px))]] : [];
  });
  return { pinned: [...new Set(names)].slice(0, COLUMNS_MAX), widths: Object.fromEntries(read) };
}

export function widthTexts(widths: ColumnLayout['widths']): string[] {
  return Object.entries(widths).map(([name, px]) => `${px} ${name}`);
}

/** Return the columns, the pinned ones first. */
export function laidOut(columns: readonly string[], { pinned }: ColumnLayout): string[] {
  return [...columns.filter((name) => pinned.includes(name)), ...columns.filter((name) => !pinned.includes(name))];
}

export function withWidth(layout: ColumnLayout, name: string, px: number | null): ColumnLayout {
  const { [name]: _, ...others } = layout.widths;
  return { ...layout, widths: px === null ? others : { ...others, [name]: fitting(px) } };
}

export function withPin(layout: ColumnLayout, name: string, on: boolean): ColumnLayout {
  const others = layout.pinned.filter((other) => other !== name);
  return { ...layout, pinned: on ? [...others, name] : others };
}

/** Return the style of a table of class `fitted` whose third column is the name and whose other columns are `columns`. */
export function layoutCss(columns: readonly string[], { pinned, widths }: ColumnLayout): string {
  const pins = columns.filter((name) => pinned.includes(name));
  const rules: string[] = [];
  const cell = (at: number, head = '') => `.fitted ${head}tr > :nth-child(${at + 3})`;
  let left = BEFORE_NAME_PX;
  [NAME, ...columns].forEach((name, at) => {
    const pin = pins.includes(name);
    const px = widths[name] ?? (pin ? PINNED_PX : name === NAME && pins.length ? NAME_PX : null);
    if (px !== null) rules.push(`${cell(at)} { width: ${px}px; min-width: ${px}px; max-width: ${px}px; overflow: hidden; text-overflow: ellipsis; }`);
    if (pin) rules.push(`${cell(at)} { position: sticky; left: ${left}px; z-index: 1; }`, `${cell(at, 'thead ')} { z-index: 3; }`);
    if (pin && at === pins.length) rules.push(`${cell(at)} { border-right: 1px solid var(--line-strong); }`);
    left += px ?? 0;
  });
  return rules.join('\n');
}
