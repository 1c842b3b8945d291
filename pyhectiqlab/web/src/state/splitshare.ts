// The place of the divider between the table and the charts: the table's share of the width in percent, kept in this browser.

import { Store } from './store';

const KEPT = 'hectiqlab.split';
export const LEAST = 15; // of either pane
export const USUAL = 42; // two charts fit beside it on a screen of 1280 pixels

const bounded = (share: number) => Math.min(100 - LEAST, Math.max(LEAST, share));

function kept(): number {
  try {
    const share = Number(localStorage.getItem(KEPT));
    return share ? bounded(share) : USUAL;
  } catch {
    return USUAL;
  }
}

export const splitShare = new Store(kept());

export function setSplitShare(to: number): void {
  const share = Math.round(bounded(to) * 10) / 10;
  splitShare.set(share);
  try {
    localStorage.setItem(KEPT, String(share));
  } catch {
    // The place lasts until the page is closed.
  }
}
