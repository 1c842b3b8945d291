// What the palette offers, and which commands fit what is typed.

import { projectUrl, registryUrl } from './links';
import { isAdmin, type LabRole } from './roles';
import { at } from './root';
import { formatRoute, type Route } from './route';

export interface Command {
  kind: 'Do' | 'Runs' | 'Projects' | 'Columns' | 'Charts' | 'Files';
  text: string;
  about?: string;
  /** Where the command leads, or what else it does. */
  to?: string;
  act?: () => void;
}

/** Return the commands that a page offers without asking the lab. `project`: the project of the page; null: none. */
export function standing(route: Route, project: string | null, role: LabRole | undefined): Command[] {
  const go = (text: string, to: string): Command => ({ kind: 'Do', text, to });
  const its = project === null ? [] : [
    go('Runs of this project', projectUrl(project)),
    go('Models of this project', registryUrl(project, 'models')),
    go('Datasets of this project', registryUrl(project, 'datasets')),
    go('Members of this project', `${projectUrl(project)}/members`),
    go('Settings of this project', `${projectUrl(project)}/settings`),
  ];
  const panes = route.page !== 'runs' ? [] : [
    go('Show the table alone', at(formatRoute({ ...route, pane: 'table' }))),
    go('Show the charts alone', at(formatRoute({ ...route, pane: 'charts' }))),
    go('Show table and charts', at(formatRoute({ ...route, pane: 'both' }))),
    ...['failed', 'training', 'completed'].map((state) => go(`Only runs that are ${state}`, at(formatRoute({ ...route, state })))),
    go('Take the filter off', at(formatRoute({ ...route, query: '', state: '' }))),
  ];
  const admin = isAdmin(role) ? [go('Users of the lab', at('/admin/users')), go('State of the lab', at('/admin/status')), go('Audit log of the lab', at('/admin/audit'))] : [];
  return [...panes, ...its, go('All projects', at('/')), go('Account and API keys', at('/account')), ...admin];
}

/** Return the commands that have all of the words; those that begin with the first word come first. */
export function matching(commands: readonly Command[], typed: string, most: number): Command[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = ({ text }: Command) => (words.length && text.toLowerCase().startsWith(words[0]!) ? 0 : 1);
  return commands
    .filter(({ text, about = '' }) => words.every((word) => `${text} ${about}`.toLowerCase().includes(word)))
    .map((command, i) => ({ command, i }))
    .sort((a, b) => rank(a.command) - rank(b.command) || a.i - b.i)
    .slice(0, most)
    .map(({ command }) => command);
}

/** Return a term that finds runs by any part of their name, but not by tags. */
export function nameTerm(typed: string): string {
  return `name~"${typed.replace(/["\\]/g, '\\$&')}"`;
}
