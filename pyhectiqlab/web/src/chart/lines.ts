// The lines of a panel: the name and the look of each.

import { colorAt, dashAt, type Assign } from '../base/assign';
import { RANKS_MAX, type Buckets } from '../base/buckets';
import { lookOf, type Look } from '../base/looks';

/** A run, or a group of runs. `rank`: the only rank that is shown, which the name says. */
type Whose = Look & { name: string; rank?: number };

/**
 * Return the name and the look of a line. The ranks or attempts of a single run have different colours; if it has both, its
 * attempts have different dashes. Beside other runs (`alone` false), all lines of a run have its colour, and its attempts have
 * different dashes if its line is solid. If a panel has several `keys`, those of a single run have different colours, those of
 * several runs different dashes.
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

/**
 * Return the name and the look of a line, with a colour and a dash that are assigned. What is assigned to runs, or to their
 * values, is in the look of `run`.
 */
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
