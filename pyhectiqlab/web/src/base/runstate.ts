// What the state of a run means to the reader. protocol/states.py says which states there are.

import type { RunAnswer, StateChangeAnswer } from '../schema/lab';

export type Tone = 'live' | 'good' | 'bad' | 'warn' | 'idle';
type State = StateChangeAnswer['state'];

const TONES: Record<State, Tone> = {
  pending: 'idle',
  running: 'live',
  training: 'live',
  completed: 'good',
  failed: 'bad',
  killed: 'bad',
  stopped: 'idle',
  ended: 'warn',
  lost: 'warn',
  preempted: 'idle',
};

const MEANINGS: Record<State, string> = {
  pending: 'Created, not started yet',
  running: 'The process is alive',
  training: 'The process is alive and training',
  completed: 'The script ended well',
  failed: 'The script failed',
  stopped: 'Stopped on request (Ctrl-C or SIGTERM)',
  killed: 'The process was killed by a signal it did not handle',
  ended: 'The process ended; nobody could tell why',
  lost: 'No sign of life for a while; a later one revives it',
  preempted: 'The batch system took this attempt away, and started the job again',
};

const isKnown = (state: string): state is State => Object.hasOwn(TONES, state);

/** Return the tone of a state. A state that this page does not know, of a newer lab, has a calm tone. */
export function toneOf(state: string): Tone {
  return isKnown(state) ? TONES[state] : 'idle';
}

export function meaningOf(state: string): string {
  return isKnown(state) ? MEANINGS[state] : state;
}

export function isLive(state: string): boolean {
  return state === 'running' || state === 'training' || state === 'pending';
}

/** Return whether nothing more will come. A lost run may come back, and a newer lab may have other states. */
export function isOver(state: string): boolean {
  return isKnown(state) && !isLive(state) && state !== 'lost';
}

/** The states of a run. Only an earlier attempt can be preempted. */
export const ALL_STATES: readonly string[] = Object.keys(TONES).filter((state) => state !== 'preempted');

/** Return the duration of a run in seconds. It grows with the clock while the run lives. NaN: it never started. */
export function durationOf(run: Pick<RunAnswer, 'state' | 'started' | 'duration'>, now: number): number {
  if (isLive(run.state) && run.started !== null) return Math.max(run.duration ?? 0, now - run.started);
  return run.duration ?? NaN;
}
