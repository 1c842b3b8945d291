import { expect, test } from 'vitest';
import cases from '../../../../tests/cases/states.json';
import { ALL_STATES, durationOf, isLive, isOver, meaningOf, toneOf } from './runstate';

test.each(Object.entries(cases))('%s is known as what the lab says that it is', (state, { live, of_a_run }) => {
  expect(isLive(state)).toBe(live);
  expect(ALL_STATES.includes(state)).toBe(of_a_run);
  expect(meaningOf(state)).not.toBe(state);
});

test('the pages know no state that the lab does not know', () => {
  expect(ALL_STATES.filter((state) => !(state in cases))).toEqual([]);
});

test.each(['', 'toString', 'resting'])('%j, which is not a state, is shown as it is', (state) => {
  expect([toneOf(state), meaningOf(state), isLive(state)]).toEqual(['idle', state, false]);
});

test('the duration of a run that lives grows with the clock', () => {
  expect(durationOf({ state: 'running', started: 100, duration: 5 }, 110)).toBe(10);
  expect(durationOf({ state: 'running', started: 100, duration: 5 }, 101)).toBe(5);
  expect(durationOf({ state: 'completed', started: 100, duration: 5 }, 110)).toBe(5);
  expect(durationOf({ state: 'pending', started: null, duration: null }, 110)).toBeNaN();
});

test('what is over is not live, and a lost run may come back', () => {
  expect(ALL_STATES.filter(isOver)).toEqual(['completed', 'failed', 'killed', 'stopped', 'ended']);
  expect(isOver('resting')).toBe(false);
});
