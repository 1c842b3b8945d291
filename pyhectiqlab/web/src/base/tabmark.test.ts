import { expect, test } from 'vitest';
import { tabIcon, tabText, tabTone } from './tabmark';

test('a tab says what lives and what failed', () => {
  expect(tabText({ training: 1 })).toBe('training');
  expect(tabText({ training: 2, running: 1, completed: 40, failed: 1, killed: 1 })).toBe('3 live, 2 failed');
  expect(tabText({ completed: 3 })).toBe('');
  expect(tabText({})).toBe('');
});

test('the icon has a dot for what fails before one for what lives', () => {
  expect([tabTone({ training: 2, failed: 1 }), tabTone({ running: 1 }), tabTone({ completed: 9 })]).toEqual(['bad', 'live', null]);
  expect(tabIcon('bad')).not.toBe(tabIcon('live'));
  expect(tabIcon(null)).not.toContain('circle');
});
