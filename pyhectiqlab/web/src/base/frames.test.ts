import { expect, test } from 'vitest';
import { Frames } from './frames';

/** Make frames that come when a test asks for them, and a clock that tasks move. */
function stage() {
  const state = { now: 0, turns: [] as (() => void)[], did: [] as string[], still: false };
  const frames = new Frames((turn) => state.turns.push(turn), () => state.now, () => state.still);
  const task = (name: string, takes_ms: number) => frames.add(name[0], () => (state.did.push(name), (state.now += takes_ms)));
  const frame = async () => {
    state.turns.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
    return state.did.splice(0).join(' ');
  };
  return { state, frames, task, frame };
}

test('a long task has a frame of its own, short ones share one, and no frame is asked for without work', async () => {
  const { state, task, frame } = stage();
  task('a', 30);
  for (const name of ['b', 'c', 'd', 'e']) task(name, 3);
  expect([await frame(), await frame(), await frame(), state.turns.length]).toEqual(['a', 'b c d', 'e', 0]);
  task('f', 1);
  expect(await frame()).toBe('f');
});

test('a newer task replaces the one of its name that waits; one that was dropped is not done', async () => {
  const { frames, task, frame } = stage();
  task('a1', 1);
  task('b1', 1);
  task('a2', 1);
  frames.drop('b');
  expect(await frame()).toBe('a2');
});

test('while the page lies still, one frame takes many tasks, until somebody touches it', async () => {
  const { state, task, frame } = stage();
  state.still = true;
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) task(name, 7);
  expect(await frame()).toBe('a b c d e');
  for (const name of ['g', 'h', 'i']) task(name, 7);
  state.still = false;
  expect([await frame(), await frame()]).toEqual(['f', 'g']);
});
