import { expect, test } from 'vitest';
import { asFormula, askedAxis } from './xaxes';

test('a metric is drawn over what its run asked for: by its name, else by the longest pattern', () => {
  const axes = { '*': 'global', 'valid/*': 'epoch', 'valid/loss': 'sample', 'a+b*': 'x', own: '_step' };
  const asked = ['valid/loss', 'valid/accuracy', 'train/loss', 'a+bc', 'aab'].map((key) => askedAxis(axes, key));
  expect(asked).toEqual(['sample', 'epoch', 'global', 'x', 'global']);
  expect(['global', 'own', 'system/cpu'].map((key) => askedAxis(axes, key))).toEqual([null, null, null]);
  expect(askedAxis({}, 'loss')).toBeNull();
});

test('any name is a formula', () => expect(asFormula('a "b" \\')).toBe('"a \\"b\\" \\\\"'));
