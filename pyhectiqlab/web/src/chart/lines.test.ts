import { expect, test } from 'vitest';
import { lookOf } from './colors';
import { lineOf } from './lines';

const RUN = { name: 'run', ...lookOf(3) };

test('one line of a run is its own', () => {
  expect(lineOf({ rank: null, attempt: null }, RUN, true)).toEqual({ name: 'run', look: RUN });
});

test('the ranks or attempts of one run have colours, both together colours and dashes', () => {
  expect(lineOf({ rank: 2, attempt: null }, RUN, true)).toEqual({ name: 'rank 2', look: lookOf(2) });
  expect(lineOf({ rank: null, attempt: 3 }, RUN, true)).toEqual({ name: 'attempt 3', look: lookOf(2) });
  expect(lineOf({ rank: 1, attempt: 2 }, RUN, true)).toEqual({ name: 'rank 1 · attempt 2', look: { color: lookOf(1).color, dash: lookOf(10).dash } });
});

test('beside another run all have the colour of the run', () => {
  expect(lineOf({ rank: 1, attempt: null }, RUN, false)).toEqual({ name: 'run · rank 1', look: lookOf(3) });
  expect(lineOf({ rank: null, attempt: 2 }, RUN, false)).toEqual({ name: 'run · attempt 2', look: { color: RUN.color, dash: lookOf(10).dash } });
});
