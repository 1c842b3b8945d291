import { expect, test, vi } from 'vitest';
import type { LogAnswer, Logs } from '../schema/lab';
import { LogTail, type FetchLogs, type LogsShown } from './logtail';

/** Make a lab with these texts, which answers as GET /runs/{id}/logs does. A cursor is a place in the list. */
function lab(texts: string[], page: number) {
  const logs = texts.map((text, i): LogAnswer => ({ time: i, level: 'INFO', channel: `c${i % 2}`, rank: 0, attempt: 1, writer: 'w', text }));
  const part = (from: number, to: number, newest: boolean): Logs => ({
    items: logs.slice(from, to),
    next: !newest && to < logs.length ? String(to) : null,
    previous: from > 0 ? String(from) : null,
    end: String(to),
  });
  const add = (text: string) => void logs.push({ ...logs[0]!, text });
  const fetch: FetchLogs = vi.fn((params) => {
    if (params.newest) return Promise.resolve(part(Math.max(0, logs.length - page), logs.length, true));
    if (params.before) return Promise.resolve(part(Math.max(0, Number(params.before) - page), Number(params.before), true));
    const from = Number(params.after ?? 0);
    return Promise.resolve(part(from, Math.min(logs.length, from + page), false));
  });
  return { fetch, add };
}

function tail(fetch: FetchLogs) {
  let shown: LogsShown | null = null;
  const failures: unknown[] = [];
  const it = new LogTail(fetch, (s) => (shown = s), (e) => failures.push(e), 1);
  const texts = () => shown?.blocks.flat().map((line) => line.text) ?? [];
  return { it, texts, failures, shown: () => shown };
}

test('the newest are loaded, then what came since, then earlier ones', async () => {
  const { fetch, add } = lab(['a\n', 'b\n', 'c\n', 'd\n'], 2);
  const t = tail(fetch);
  await vi.waitFor(() => expect(t.texts()).toEqual(['c', 'd']));
  expect(t.shown()!.earlier).toBe(true);
  for (const text of ['e\n', 'f\n', 'g ', 'h']) add(text);
  t.it.news();
  await vi.waitFor(() => expect(t.texts()).toEqual(['c', 'd', 'e', 'f']));
  expect(t.shown()!.unfinished.map((line) => line.text)).toEqual(['g h']);
  t.it.earlier();
  await vi.waitFor(() => expect(t.texts()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']));
  expect(t.shown()).toMatchObject({ earlier: false, channels: ['c0', 'c1'] });
  t.it.stop();
});

test('full blocks stay the same objects when lines are added', async () => {
  const { fetch, add } = lab(Array.from({ length: 250 }, (_, i) => `${i}\n`), 1000);
  const t = tail(fetch);
  await vi.waitFor(() => expect(t.texts().length).toBe(250));
  const first = t.shown()!.blocks[0];
  add('more\n');
  t.it.news();
  await vi.waitFor(() => expect(t.texts().at(-1)).toBe('more'));
  expect(t.shown()!.blocks[0]).toBe(first);
  expect(t.shown()!.blocks.map((b) => b.length)).toEqual([200, 51]);
  t.it.stop();
});

test('a refusal is told, and asked again with the next news', async () => {
  const { fetch } = lab(['a\n'], 2);
  let broken = true;
  const t = tail((params, signal) => (broken ? Promise.reject(new Error('no')) : fetch(params, signal)));
  await vi.waitFor(() => expect(t.failures.length).toBe(1));
  broken = false;
  t.it.news();
  await vi.waitFor(() => expect(t.texts()).toEqual(['a']));
  t.it.stop();
});
