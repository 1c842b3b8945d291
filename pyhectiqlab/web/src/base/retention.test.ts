import { expect, test } from 'vitest';
import { formatMoment } from './format';
import { keptUntilText, retentionText } from './retention';

const ever = { runs_days: null, versions_max: null, versions_days: null, keep_tag: 'keep' };

test('a project tells what it does not keep for ever', () => {
  expect(retentionText(ever)).toBe('');
  expect(retentionText({ ...ever, runs_days: 90 })).toBe('runs kept for 90 days');
  expect(retentionText({ ...ever, runs_days: 1, versions_max: 5 })).toBe('runs kept for 1 day · the newest 5 versions of a file kept');
  expect(retentionText({ ...ever, versions_max: 1 })).toBe('only the newest version of a file kept');
  expect(retentionText({ ...ever, versions_days: 30 })).toBe('earlier versions of a file kept for 30 days');
  expect(retentionText({ ...ever, versions_max: 5, versions_days: 30 })).toBe(
    'the newest 5 versions of a file kept, all but the newest for 30 days',
  );
});

test('a run tells when it goes once that is soon', () => {
  const now = 1_700_000_000;
  expect(keptUntilText(null, now)).toBe('');
  expect(keptUntilText(now + 15 * 86_400, now)).toBe('');
  expect(keptUntilText(now + 3 * 86_400, now)).toBe(formatMoment(now + 3 * 86_400));
  expect(keptUntilText(now - 60, now)).toBe('now');
});
