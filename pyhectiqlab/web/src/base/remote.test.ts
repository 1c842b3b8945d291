import { expect, test } from 'vitest';
import { commitLink } from './remote';

const hash = '0123456789abcdef0123456789abcdef01234567';

test.each([
  ['https://github.com/org/repo.git', `https://github.com/org/repo/commit/${hash}`],
  ['git@github.com:org/repo.git', `https://github.com/org/repo/commit/${hash}`],
  ['ssh://git@gitlab.example.org:2222/team/sub/repo.git', `https://gitlab.example.org/team/sub/repo/-/commit/${hash}`],
  ['https://bitbucket.org/org/repo/', `https://bitbucket.org/org/repo/commits/${hash}`],
])('%s has a page for each commit', (remote, link) => {
  expect(commitLink(remote, hash)).toBe(link);
});

test.each([
  'https://example.org/org/repo.git', '/srv/git/repo.git', '../repo', 'javascript:alert(1)//github.com/a/b', 'https://github.com/a',
  'https://github.com/a/../b', 'https://github.com/a/b?c', null, 3, '',
])('%s makes no link', (remote) => {
  expect(commitLink(remote, hash)).toBeNull();
});

test('what is no commit makes no link', () => {
  expect(commitLink('https://github.com/a/b', 'main')).toBeNull();
  expect(commitLink('https://github.com/a/b', null)).toBeNull();
});
