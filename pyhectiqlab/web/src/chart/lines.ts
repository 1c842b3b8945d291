// Which line of a panel is whose: its name, and what it looks like.

import { colorAt, dashAt, type Assign } from '../base/assign';
import { RANKS_MAX, type Buckets } from '../base/buckets';
import { lookOf, type Look } from '../base/looks';

/** A run, or a group of them. `rank`: the only one that it is of, which its name says. */
type Whose = Look & { name: string; rank?: number };

/**
 * The ranks or attempts of one run have colours of their own; where there are both, the attempts differ by their dash. Over another
 * run's (`alone` false) all have the run's colour, and the attempts of a run whose line is solid differ by their dash.
 * Of several `keys` in one panel, those of one run have colours, those of several runs dashes.
 */
export function lineOf(b: Pick<Buckets, 'rank' | 'attempt' | 'key'>, run: Whose, alone: boolean, keys: readonly string[] = []): { name: string; look: Look } {
  if (keys.length > 1) {
    const at = keys.indexOf(b.key);
    const look = alone ? lookOf(at) : { color: run.color, dash: lookOf(10 * at).dash };
    const of = lineOf(b, { ...look, name: alone ? '' : run.name }, false).name;
    return { name: [b.key, of].filter(Boolean).join(' · '), look };
  }
  const parts = [b.rank === null || run.rank !== undefined ? '' : `rank ${b.rank}`, b.attempt === null ? '' : `attempt ${b.attempt}`].filter(Boolean);
  if (!parts.length) return { name: run.name, look: run };
  const dashed = b.attempt === null ? [] : lookOf(10 * (b.attempt - 1)).dash;
  if (!alone) return { name: [run.name, ...parts].filter(Boolean).join(' · '), look: { color: run.color, dash: run.dash.length ? run.dash : dashed } };
  const look = b.rank === null ? lookOf(b.attempt! - 1) : { ...lookOf(b.rank), ...(b.attempt === null ? {} : { dash: dashed }) };
  return { name: parts.join(' · '), look };
}

/** As lineOf, with what colour and dash are assigned to. What is assigned to runs, or to their values, is in the look of `run`. */
export function assignedLine(b: Pick<Buckets, 'rank' | 'attempt' | 'key' | 'ranks'>, run: Whose, alone: boolean, keys: readonly string[], { color, dash }: Pick<Assign, 'color' | 'dash'>): { name: string; look: Look } {
  const { name, look } = lineOf(b, run, alone, keys);
  if (color === null && dash === null) return { name, look };
  const at = Math.max(0, keys.indexOf(b.key));
  const rank = b.rank ?? 0;
  const byItself = keys.length > 1 && color !== 'metric' ? dashAt(at) : b.attempt === null ? run.dash : look.dash;
  return {
    name,
    look: {
      color: color === null ? look.color : color === 'metric' ? colorAt(at, keys.length) : color === 'rank' ? colorAt(rank, Math.min(RANKS_MAX, b.ranks)) : run.color,
      dash: dash === null ? (color === null ? look.dash : byItself) : dash === 'metric' ? dashAt(at) : dash === 'rank' ? dashAt(rank) : run.dash,
    },
  };
}
