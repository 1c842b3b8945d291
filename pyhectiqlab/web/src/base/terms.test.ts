import { expect, test } from 'vitest';
import { caretOf, replacePiece, splitTerms } from './terms';

test('terms are split where the lab splits them', () => {
  expect(splitTerms('')).toEqual([]);
  expect(splitTerms('sweep  tag=best')).toEqual(['sweep', 'tag=best']);
  expect(splitTerms('state = failed , killed name~x')).toEqual(['state=failed,killed', 'name~x']);
  expect(splitTerms('config."my key"="two words" resnet')).toEqual(['config."my key"="two words"', 'resnet']);
  expect(splitTerms('tag="a, b" x')).toEqual(['tag="a, b"', 'x']);
  expect(splitTerms('a=1 AND b=2 && c=3 and d')).toEqual(['a=1', 'b=2', 'c=3', 'd']);
  expect(splitTerms('"say \\" x" and')).toEqual(['"say \\" x"', 'and']);
});

test('splitting what was split changes nothing', () => {
  const text = 'state=failed,killed metric."a b".min<1 resnet "two words"';
  expect(splitTerms(splitTerms(text).join(' '))).toEqual(splitTerms(text));
});

test('spaces within a smoothing end no term', () => {
  expect(splitTerms('metric.loss.smoothed(mean, 30s) < 1 x')).toEqual(['metric.loss.smoothed(mean,30s)<1', 'x']);
});

test('a term that is half typed is one', () => {
  expect(splitTerms('tag="two wo')).toEqual(['tag="two wo']);
  expect(splitTerms('state=')).toEqual(['state=']);
});

test('the lab counts a character as one that JavaScript counts as two', () => {
  expect(caretOf('😀=a', 3)).toBe(2);
  expect(replacePiece('tag=😀 na', 6, 8, 'name')).toEqual({ text: 'tag=😀 name', caret: 11 });
});
