// What a tab shows while other tabs are in front: how many runs are live, and whether some failed.

import { toneOf, type Tone } from './runstate';

/** How many runs are in each state. */
export type States = Readonly<Record<string, number>>;

/** Return the text before the title: "training" for one run, "2 live, 1 failed" for several; '': nothing that matters now. */
export function tabText(states: States): string {
  const all = Object.entries(states).filter(([, n]) => n > 0);
  if (all.length === 1 && all[0]![1] === 1) return all[0]![0];
  const live = sum(states, 'live');
  const bad = sum(states, 'bad');
  return [live > 0 && `${live} live`, bad > 0 && `${bad} failed`].filter(Boolean).join(', ');
}

/** Return the colour of the dot on the icon; null: no dot. A failure matters most. */
export function tabTone(states: States): 'bad' | 'live' | null {
  return sum(states, 'bad') ? 'bad' : sum(states, 'live') ? 'live' : null;
}

const DOTS = { bad: '#e03140', live: '#2f9e44' };

/** Return the icon of the tab, with a dot if there is something to say. */
export function tabIcon(tone: 'bad' | 'live' | null): string {
  const dot = tone === null ? '' : `<circle cx="24" cy="8" r="7.5" fill="${DOTS[tone]}" stroke="#fff" stroke-width="2"/>`;
  const line = '<path d="M6 9c3 0 4 13 8 13s4-9 7-9 3 6 5 6" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3b5bdb"/>${line}${dot}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function sum(states: States, tone: Tone): number {
  return Object.entries(states).reduce((n, [state, its]) => (toneOf(state) === tone ? n + its : n), 0);
}
