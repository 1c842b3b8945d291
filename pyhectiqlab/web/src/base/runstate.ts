// What a run's state means to the reader.

export type Tone = 'live' | 'good' | 'bad' | 'warn' | 'idle';

const TONES: Record<string, Tone> = {
  pending: 'idle',
  running: 'live',
  training: 'live',
  completed: 'good',
  failed: 'bad',
  killed: 'bad',
  stopped: 'idle',
  ended: 'warn',
  lost: 'warn',
};

const MEANINGS: Record<string, string> = {
  pending: 'Created, not started yet',
  running: 'The process is alive',
  training: 'The process is alive and training',
  completed: 'The script ended well',
  failed: 'The script failed',
  stopped: 'Stopped on request (Ctrl-C or SIGTERM)',
  killed: 'The process was killed by a signal it did not handle',
  ended: 'The process ended; nobody could tell why',
  lost: 'No sign of life for a while; a later one revives it',
};

/** A state this page does not know (a newer lab's) is shown as it is, in a calm tone. */
export function toneOf(state: string): Tone {
  return Object.hasOwn(TONES, state) ? TONES[state]! : 'idle';
}

export function meaningOf(state: string): string {
  return Object.hasOwn(MEANINGS, state) ? MEANINGS[state]! : state;
}

export function isLive(state: string): boolean {
  return state === 'running' || state === 'training' || state === 'pending';
}

export const ALL_STATES: readonly string[] = Object.keys(TONES);
