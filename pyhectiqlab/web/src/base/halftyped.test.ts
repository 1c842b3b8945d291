import { expect, test } from 'vitest';
import { isHalfTyped } from './halftyped';

const FEW = { state: ['failed', 'completed'], archived: ['true', 'false'] };
const half = (text: string) => isHalfTyped(text, FEW);

test('a term is half typed as long as its value is missing', () => {
  for (const text of ['config.lr<', 'state=', 'state=failed,', 'name~', 'tag = ', 'lr<0.1 metric.loss.min<', 'name!', 'tag="two wo']) expect(half(text)).toBe(true);
  for (const text of ['', ' ', 'config.lr<0.1', 'state=failed', 'name~x', 'tag = best', 'tag="two words"', 'note=""']) expect(half(text)).toBe(false);
});

test('a number, a date or one of few values may have begun', () => {
  for (const text of ['config.lr<1e', 'config.lr<1e-', 'metric.loss=n', 'metric.loss<-', 'metric.loss<.', 'created>2026', 'created>2026-07', 'created>2026-07-01T', 'activity>-7', 'state=fai', 'archived=t', 'metric=na']) expect(half(text)).toBe(true);
  for (const text of ['config.lr<1e-3', 'metric.loss=nan', 'metric.loss<-1', 'metric.loss<inf', 'created>2026-07-01', 'created>2026-07-01T12:00', 'activity>-7d', 'created>1780000000', 'duration>5m', 'state=failed,completed', 'state=*', 'archived=true', 'config.name=1e']) expect(half(text)).toBe(false);
  expect(half('state=no-such')).toBe(false); // it stays wrong, whatever follows
  expect(half('created>soon')).toBe(false);
});

test('a word may become the name of a field while it is the last one', () => {
  for (const text of ['sta', 'state', 'conf', 'config.lr', 'metric.valid/loss.min', 'resnet created']) expect(half(text)).toBe(true);
  for (const text of ['s', 'st', 'stable', 'resnet', 'vit sweep', 'state ', 'config.lr resnet']) expect(half(text)).toBe(false);
});

test('words that only stand between terms wait for the next one', () => {
  expect(half('a=1 AND')).toBe(true);
  expect(half('a=1 &&')).toBe(true);
  expect(half('a=1 AND b=2')).toBe(false);
});
