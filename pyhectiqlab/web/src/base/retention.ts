// How long a project keeps what, in words. No DOM, no clock: the caller passes the present time.

import type { RetentionAnswer } from '../schema/lab';
import { formatMoment, plural } from './format';

type Kept = Pick<RetentionAnswer, 'runs_days' | 'versions_max' | 'versions_days'>;

const DAY_S = 86_400;
const SOON_S = 14 * DAY_S;

/** Return "runs kept for 90 days · the newest 5 versions of a file kept, all but the newest for 30 days"; "": everything is kept. */
export function retentionText({ runs_days, versions_max, versions_days }: Kept): string {
  const runs = runs_days === null ? '' : `runs kept for ${plural(runs_days, 'day')}`;
  return [runs, versionsText(versions_max, versions_days)].filter(Boolean).join(' · ');
}

function versionsText(most: number | null, days: number | null): string {
  if (most === 1) return 'only the newest version of a file kept';
  const age = days === null ? '' : `for ${plural(days, 'day')}`;
  if (most === null) return age && `earlier versions of a file kept ${age}`;
  return `the newest ${plural(most, 'version')} of a file kept${age && `, all but the newest ${age}`}`;
}

/** Return when a run will be deleted, if that is soon; "": it is not. */
export function keptUntilText(keptUntil: number | null, now: number): string {
  if (keptUntil === null || keptUntil - now > SOON_S) return '';
  return keptUntil <= now ? 'now' : formatMoment(keptUntil);
}
