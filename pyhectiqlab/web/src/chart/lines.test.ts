import { expect, test } from 'vitest';
import { lookOf } from '../base/looks';
import { lineOf } from './lines';

const RUN = { name: 'run', ...lookOf(3) };

test('one line of a run is its own', () => {
  expect(lineOf({ key: 'k', rank: null, attempt: null }, RUN, true)).toEqual({ name: 'run', look: RUN });
});

test('the ranks or attempts of one run have colours, both together colours and dashes', () => {
  expect(lineOf({ key: 'k', rank: 2, attempt: null }, RUN, true)).toEqual({ name: 'rank 2', look: lookOf(2) });
  expect(lineOf({ key: 'k', rank: null, attempt: 3 }, RUN, true)).toEqual({ name: 'attempt 3', look: lookOf(2) });
  expect(lineOf({ key: 'k', rank: 1, attempt: 2 }, RUN, true)).toEqual({ name: 'rank 1 · attempt 2', look: { color: lookOf(1).color, dash: lookOf(10).dash } });
});

test('beside another run all have the colour of the run', () => {
  expect(lineOf({ key: 'k', rank: 1, attempt: null }, RUN, false)).toEqual({ name: 'run · rank 1', look: lookOf(3) });
  expect(lineOf({ key: 'k', rank: 1, attempt: null }, { ...RUN, name: 'rank 1', rank: 1 }, false).name).toBe('rank 1');
  expect(lineOf({ key: 'k', rank: null, attempt: 2 }, RUN, false)).toEqual({ name: 'run · attempt 2', look: { color: RUN.color, dash: lookOf(10).dash } });
});

test('several keys in one panel: colours for those of one run, dashes beside another run', () => {
  const keys = ['train/loss', 'valid/loss'];
  const b = { key: 'valid/loss', rank: null, attempt: null };
  expect(lineOf(b, RUN, true, keys)).toEqual({ name: 'valid/loss', look: lookOf(1) });
  expect(lineOf(b, RUN, false, keys)).toEqual({ name: 'valid/loss · run', look: { color: RUN.color, dash: lookOf(10).dash } });
  expect(lineOf({ ...b, rank: 2 }, RUN, true, keys).name).toBe('valid/loss · rank 2');
});
