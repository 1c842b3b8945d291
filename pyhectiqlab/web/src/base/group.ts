// What a page shows together: things of one name, and panels whose keys have the same text before the first "/".

export interface Group<T> {
  name: string; // "" for keys without a "/"
  items: T[]; // never empty
}

/** Return all items of each name, in the order of the list. */
export function groupByName<T extends { name: string }>(items: readonly T[]): Group<T>[] {
  return collect(items, (item) => item.name);
}

/** Return groups in order of appearance. Keys without a "/" come first; system metrics come last. */
export function groupKeys<T>(items: readonly T[], keyOf: (item: T) => string): Group<T>[] {
  return collect(items, (item) => groupName(keyOf(item))).sort((a, b) => rankOf(a.name) - rankOf(b.name));
}

const NATURAL = new Intl.Collator('en', { numeric: true });

/** Compare texts so that head2 comes before head10. */
export function naturally(a: string, b: string): number {
  return NATURAL.compare(a, b) || compareText(a, b);
}

function collect<T>(items: readonly T[], nameOf: (item: T) => string): Group<T>[] {
  const groups = new Map<string, Group<T>>();
  for (const item of items) {
    const name = nameOf(item);
    const group = groups.get(name);
    if (group) group.items.push(item);
    else groups.set(name, { name, items: [item] });
  }
  return [...groups.values()];
}

function rankOf(group: string): number {
  return group === '' ? 0 : group === 'system' ? 2 : 1;
}

export function groupName(key: string): string {
  const slash = key.indexOf('/');
  return slash > 0 ? key.slice(0, slash) : '';
}

export interface KeyPage {
  keys: string[]; // sorted
  next: string | null; // null: this is all
}

/**
 * Merge the keys of several runs into one sorted list. A run whose page was cut short says nothing about keys beyond its last
 * one, so the list ends there: a later page only adds keys behind it.
 */
export function mergeKeyPages(pages: readonly KeyPage[]): { keys: string[]; complete: boolean } {
  let end: string | null = null;
  for (const page of pages) {
    const last = page.keys[page.keys.length - 1];
    if (page.next !== null && last !== undefined && (end === null || last < end)) end = last;
  }
  const all = new Set<string>();
  for (const page of pages) for (const key of page.keys) if (end === null || key <= end) all.add(key);
  return { keys: [...all].sort(compareText), complete: pages.every((p) => p.next === null) };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
