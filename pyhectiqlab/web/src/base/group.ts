// Panels of one page, grouped by what stands before the first "/" of their keys.

export interface Group<T> {
  name: string; // "" for keys without a "/"
  items: T[];
}

/** Groups in order of appearance; keys without a "/" first, and what the uploader measured of the machine last. */
export function groupKeys<T>(items: readonly T[], keyOf: (item: T) => string): Group<T>[] {
  const groups = new Map<string, Group<T>>();
  for (const item of items) {
    const name = groupName(keyOf(item));
    let group = groups.get(name);
    if (!group) groups.set(name, (group = { name, items: [] }));
    group.items.push(item);
  }
  return [...groups.values()].sort((a, b) => placeOf(a.name) - placeOf(b.name));
}

function placeOf(group: string): number {
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
 * The keys of several runs as one sorted list. A run whose page was cut short knows nothing beyond its last key, so the
 * list ends there: a later page can only add behind it, never in between.
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
