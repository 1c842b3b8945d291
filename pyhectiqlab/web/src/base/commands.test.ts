import { expect, test } from 'vitest';
import { matching, nameTerm, standing, type Command } from './commands';
import { parseRoute } from './route';

const runs = parseRoute('/projects/vision', '?sort=name');
const texts = (commands: readonly Command[]) => commands.map((c) => c.text);

test('what can be done depends on the page and on the role', () => {
  expect(texts(standing(runs, 'vision', 'member'))).toContain('Show the charts alone');
  expect(texts(standing({ page: 'account' }, null, 'member'))).toEqual(['All projects', 'Account and API keys']);
  expect(texts(standing({ page: 'account' }, null, 'owner'))).toContain('Audit log of the lab');
});

test('a command changes one thing of the page and keeps the rest', () => {
  expect(standing(runs, 'vision', 'member').find((c) => c.text === 'Show the table alone')!.to).toBe('/projects/vision?sort=name&pane=table');
});

test('all words are in what matches, and the beginning counts most', () => {
  const all = standing(runs, 'vision', 'owner');
  expect(texts(matching(all, 'st', 9))[0]).toBe('State of the lab');
  expect(texts(matching(all, 'lab audit', 9))).toEqual(['Audit log of the lab']);
  expect(matching(all, '', 3)).toHaveLength(3);
});

test('a name is searched as it is typed', () => {
  expect(nameTerm('a "b" \\c')).toBe('name~"a \\"b\\" \\\\c"');
});
