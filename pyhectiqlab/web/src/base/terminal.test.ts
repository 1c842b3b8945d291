import { expect, test } from 'vitest';
import cases from '../../../../tests/cases/terminal.json';
import { Terminal } from './terminal';

function shown(texts: string[]): string {
  const terminal = new Terminal<number>();
  const lines = texts.flatMap((text, i) => terminal.feed(text, i)).map((line) => line.text + '\n');
  return lines.join('') + (terminal.rest()?.text ?? '');
}

test.each(cases)('%j', ({ texts, shows }) => {
  expect(shown(texts)).toBe(shows);
});

test('a line is tagged by the text that began it', () => {
  const terminal = new Terminal<string>();
  expect(terminal.feed('half', 'first')).toEqual([]);
  expect(terminal.feed(' done\nnext', 'second')).toEqual([{ text: 'half done', tag: 'first' }]);
  expect(terminal.rest()).toEqual({ text: 'next', tag: 'second' });
});
