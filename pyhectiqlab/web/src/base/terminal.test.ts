import { expect, test } from 'vitest';
import { Terminal } from './terminal';

function shown(texts: string[]): string {
  const terminal = new Terminal<number>();
  const lines = texts.flatMap((text, i) => terminal.feed(text, i)).map((line) => line.text + '\n');
  return lines.join('') + (terminal.rest()?.text ?? '');
}

// The same cases as tests/unit/test_terminal.py.
test.each([
  [[], ''],
  [['one\n', 'two\n'], 'one\ntwo\n'],
  [['Progress ', ...Array<string>(10).fill('-')], 'Progress ----------'],
  [['one\ntwo', ' and more\n'], 'one\ntwo and more\n'],
  [['\n', '\n'], '\n\n'],
  [['10%\r', '20%\r', '100%\n'], '100%\n'],
  [['a long line\rshort\n'], 'shortg line\n'],
  [['\r 10%|#    |', '\r 20%|##   |', '\n'], ' 20%|##   |\n'],
  [['windows\r\n'], 'windows\n'],
  [['abc\b\bX\n', '\b\bd\n'], 'aXc\nd\n'],
  [['\x1b[31mred\x1b[0m \x1b[1;4mbold\x1b[m\n'], 'red bold\n'],
  [['\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\n'], 'text link\n'],
  [['old words\r\x1b[Knew\n'], 'new\n'],
  [['old words\r\x1b[2Knew\n'], 'new\n'],
  [['abcdef\r\x1b[1KX\n'], 'Xbcdef\n'],
  [['tab\tstays\n', 'héllo 日本 \u{1f600}\n'], 'tab\tstays\nhéllo 日本 \u{1f600}\n'],
])('%j', (texts, shows) => {
  expect(shown(texts)).toBe(shows);
});

test('a line is tagged by the text that began it', () => {
  const terminal = new Terminal<string>();
  expect(terminal.feed('half', 'first')).toEqual([]);
  expect(terminal.feed(' done\nnext', 'second')).toEqual([{ text: 'half done', tag: 'first' }]);
  expect(terminal.rest()).toEqual({ text: 'next', tag: 'second' });
});
