import { expect, test } from 'vitest';
import { timeTicks } from './timeticks';

const at = (year: number, month: number, day: number, hour = 0, minute = 0, second = 0) => new Date(year, month, day, hour, minute, second).getTime() / 1000;

test('moments are round where the reader is, and the first names its day', () => {
  const labels = (lo: number, hi: number, count: number) => timeTicks([lo, hi], count, true).map(([, label]) => label);
  expect(labels(at(2026, 2, 1, 22, 40), at(2026, 2, 2, 1, 10), 5)).toEqual(['03-01 23:00', '23:30', '03-02 00:00', '00:30', '01:00']);
  expect(labels(at(2026, 2, 1, 10, 0, 1), at(2026, 2, 1, 10, 0, 31), 3)).toEqual(['03-01 10:00:10', '10:00:20', '10:00:30']);
  expect(labels(at(2026, 11, 30), at(2027, 0, 3), 4)).toEqual(['2026-12-30', '12-31', '01-01', '01-02', '01-03']);
});

test('durations', () => {
  expect(timeTicks([0, 7200], 4, false)).toEqual([[0, '0s'], [1800, '30m'], [3600, '1h'], [5400, '1h 30m'], [7200, '2h']]);
  expect(timeTicks([0, 0.02], 4, false).map(([, label]) => label)).toEqual(['0s', '0.005s', '0.01s', '0.015s', '0.02s']);
  expect(timeTicks([-90, 30], 2, false).map(([, label]) => label)).toEqual(['−1m', '0s']);
});

test('there are never very many', () => {
  for (const span of [1e-9, 0.3, 59, 86_399, 1e6, 1e9]) {
    const ticks = timeTicks([1.7e9, 1.7e9 + span], 5, true);
    expect(ticks.length).toBeLessThanOrEqual(12);
  }
});
