import { expect, test } from 'vitest';
import { contentUrl, fileUrl, isImage, projectUrl, registryUrl, runUrl, tableCsvUrl } from './links';

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

test('the content is asked for by uuid', () => {
  expect(contentUrl({ uuid: 'a/b' }, true)).toBe('/api/v1/artifacts/a%2Fb/content?inline=1');
});

test('a table as CSV is that of the page', () => {
  expect(tableCsvUrl('a b', ['state=failed', 'x'], ['-created'], ['config."lr"'])).toBe(
    '/api/v1/table/csv?project=a+b&filter=state%3Dfailed&filter=x&sort=-created&column=name&column=config.%22lr%22',
  );
});

test('names are written into links so that they stay names', () => {
  expect(projectUrl('a/b')).toBe('/projects/a%2Fb');
  expect(runUrl('a?b')).toBe('/runs/a%3Fb');
  expect(registryUrl('a/b', 'models', 'x y', '1.0.0')).toBe('/projects/a%2Fb/models/x%20y?version=1.0.0');
  expect(fileUrl({ kind: 'datasets', uuid: 'u' }, 'a/b c')).toBe('/api/v1/datasets/u/content?path=a%2Fb%20c');
});
