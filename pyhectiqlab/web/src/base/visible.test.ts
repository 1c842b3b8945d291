import { expect, test } from 'vitest';
import { visible } from './visible';

// The same cases as tests/unit/test_texts.py, which shows ? instead.
test.each([
  ['plain', 'plain'],
  ['photo\u202egnp.exe', 'photo\ufffdgnp.exe'],
  ['a\u2066b\u2069c', 'a\ufffdb\ufffdc'],
  ['adm\u200bin', 'adm\ufffdin'],
  ['a\u200db', 'a\ufffdb'],
  ['\u{1f469}\u200d\u{1f680}', '\u{1f469}\u200d\u{1f680}'],
  ['\u0645\u06cc\u200c\u062e', '\u0645\u06cc\u200c\u062e'],
  ['\u2764\ufe0f e\u0301 \u65e5\u672c', '\u2764\ufe0f e\u0301 \u65e5\u672c'],
  ['\u05d0\u200f!', '\u05d0!'],
  ['a\u200e!', 'a\ufffd!'],
  ['x\u{e0041}', 'x\ufffd'],
])('%j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});
