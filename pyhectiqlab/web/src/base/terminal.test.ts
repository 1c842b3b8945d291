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

/** Return lines with inks in brackets: "plain [red:text]". */
function inked(...texts: string[]): string[] {
  const terminal = new Terminal<number>();
  const lines = texts.flatMap((text, i) => terminal.feed(text, i));
  const rest = terminal.rest();
  return [...lines, ...(rest ? [rest] : [])].map(({ text, spans }) => {
    if (spans) expect(spans.map((span) => span.text).join('')).toBe(text);
    return (spans ?? [{ text, ink: '' }]).map((span) => (span.ink ? `[${span.ink.replaceAll('ink-', '')}:${span.text}]` : span.text)).join('');
  });
}

test.each([
  [['a \x1b[31mred\x1b[0m b\n'], ['a [red:red] b']],
  [['\x1b[1;32mover', ' two texts\nand lines\x1b[m.'], ['[green bold:over two texts]', '[green bold:and lines].']],
  [['\x1b[31mred\x1b[0m\rX\n'], ['X[red:ed]']], // overwritten: the characters that stay keep their ink
  [['plain\r\x1b[32mok\n'], ['[green:ok]ain']],
  [['\x1b[31mred words\r\x1b[K\x1b[0mplain\n'], ['plain']],
  [['\x1b[31mabcdef\b\b\b\x1b[1K\x1b[0m\n'], ['    [red:ef]']],
  [['\x1b[31mabc\b\b\x1b[K\x1b[0mxyz\n'], ['[red:a]xyz']],
  [['\x1b[31m😀é\x1b[0m😀\n'], ['[red:😀é]😀']],
  [['\x1b[31m\n\x1b[0m'], ['', '']],
  [['\x1b[31mno end'], ['[red:no end]']],
])('%j is inked %j', (texts, lines) => {
  expect(inked(...texts)).toEqual(lines);
});

test('with colours anywhere, the text is the same', () => {
  const codes = ['\x1b[31m', '\x1b[0m', '\x1b[38;5;9m', '\x1b[1;4m'];
  for (const { texts, shows } of cases) {
    const coloured = texts.map((text, i) => [...text.split(/(?<=[ |\n])/), ''].map((part, k) => codes[(i + k) % codes.length] + part).join(''));
    expect(shown(coloured)).toBe(shows);
  }
});
