import { expect, test } from 'vitest';
import { Pen } from './ink';

test.each([
  ['31', 'ink-red'],
  ['1;4;92', 'ink-green ink-bold ink-underline'],
  ['30;42', 'back-green'], // black on green: black is the text colour of the page
  ['37', ''],
  ['90', 'ink-grey'],
  ['107', ''],
  ['38;5;196', 'ink-red'],
  ['38;5;208;1', 'ink-yellow ink-bold'], // orange
  ['38;5;244', 'ink-grey'],
  ['38;5;255', ''],
  ['38;5;12', 'ink-blue'],
  ['48;2;200;30;180', 'back-magenta'],
  ['38;2;0;190;200', 'ink-cyan'],
  ['38:2::255:0:0;4:3', 'ink-red ink-underline'],
  ['38:2:0:0:255', 'ink-blue'],
  ['38:5:2', 'ink-green'],
  ['31;0', ''],
  ['31;', ''], // an empty code is 0
  ['', ''],
  ['1;22;4;24;31;39;41;49', ''],
  ['38;5', ''],
  ['38;2;1;2', ''],
  ['38;9;31', 'ink-red'],
  ['5;7;8;9;31', 'ink-red'], // blinking, inverted, hidden, struck through: ignored
  ['999999999999999999999', ''],
])('after ESC [ %s m the ink is "%s"', (codes, ink) => {
  const pen = new Pen();
  pen.obey(`\x1b[${codes}m`);
  expect(pen.ink).toBe(ink);
});

test('what is chosen stays until it is changed', () => {
  const pen = new Pen();
  for (const sequence of ['\x1b[31m', '\x1b[1m', '\x1b[K', '\x1b]0;32\x07', '\x1b[?31m']) pen.obey(sequence);
  expect(pen.ink).toBe('ink-red ink-bold');
  pen.obey('\x1b[0;34m');
  expect(pen.ink).toBe('ink-blue');
});

test('every one of the 256 colours is one that the style sheet has', () => {
  const known = new Set(['', ...['red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'grey'].map((name) => `ink-${name}`)]);
  for (let n = 0; n < 300; n++) {
    const pen = new Pen();
    pen.obey(`\x1b[38;5;${n}m`);
    expect(known.has(pen.ink), `${n}: ${pen.ink}`).toBe(true);
  }
});
