// One y range for the panels of a section: each reports its extremes, and all follow their union.

import { Store } from '../state/store';

export class SharedRanges {
  private readonly own = new Map<string, readonly [number, number]>();
  readonly union = new Store<readonly [number, number] | null>(null);

  /** null: the panel has nothing in sight, or is gone. */
  set(panel: string, range: readonly [number, number] | null): void {
    if (range) this.own.set(panel, range);
    else this.own.delete(panel);
    const all = [...this.own.values()];
    const union = all.length ? ([Math.min(...all.map((r) => r[0])), Math.max(...all.map((r) => r[1]))] as const) : null;
    if (union?.[0] !== this.union.value?.[0] || union?.[1] !== this.union.value?.[1]) this.union.set(union);
  }
}
