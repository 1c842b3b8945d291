import { expect, test } from 'vitest';
import { contentUrl, formatBytes, groupArtifacts, isImage, pythonSnippet, shellSnippet, type Artifact } from './artifacts';

function artifact(change: Partial<Artifact>): Artifact {
  return {
    uuid: '0a', name: 'a.png', version: 1, newest: true, step: null, bytes: 1, digest: '', kind: 'file', author: 'ada',
    created: 0, run: 'r1', project: { id: 'p1', name: 'vision' }, ...change,
  };
}

test('artifacts of one name are one group, in the order of the lab', () => {
  const list = [artifact({ name: 'a' }), artifact({ name: 'b', step: 1 }), artifact({ name: 'b', step: 20 }), artifact({ name: 'constructor' })];
  const groups = groupArtifacts(list);
  expect(groups.map((g) => [g.name, g.items.map((a) => a.step)])).toEqual([['a', [null]], ['b', [1, 20]], ['constructor', [null]]]);
  expect(groupArtifacts([])).toEqual([]);
});

test.each([
  ['a.png', true],
  ['a.JPG', true],
  ['x.jpeg', true],
  ['a.webp', true],
  ['a.gif', true],
  ['a.svg', false],
  ['a.png.html', false],
  ['png', false],
])('%s is an image: %s', (name, expected) => expect(isImage(name)).toBe(expected));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1234567, '1.23 MB'],
  [999_700, '1 MB'],
  [2 ** 31, '2.15 GB'],
  [5e13, '50 TB'],
])('%d bytes are %s', (bytes, expected) => expect(formatBytes(bytes)).toBe(expected));

test('the command names the run or the project, the step, and survives odd names', () => {
  expect(shellSnippet(artifact({}))).toBe('hectiqlab artifacts --run r1 --download a.png');
  expect(shellSnippet(artifact({ run: null, step: 5 }))).toBe('hectiqlab artifacts p1 --download a.png --step 5');
  expect(shellSnippet(artifact({ name: "it's; rm -rf" }))).toBe(`hectiqlab artifacts --run r1 --download 'it'\\''s; rm -rf'`);
  expect(shellSnippet(artifact({ name: '-x' }))).toContain(`'-x'`);
});

test('the Python names this very version', () => {
  expect(pythonSnippet(artifact({ uuid: '0af3' }))).toContain('download_existing_run_artifact("0af3", "./")');
});

test('the content is asked for by uuid', () => {
  expect(contentUrl(artifact({ uuid: 'a/b' }), true)).toBe('/api/v1/artifacts/a%2Fb/content?inline=1');
});
