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
  preempted: 'idle',
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
  preempted: 'The batch system took this attempt away, and started the job again',
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

/** What a run can be in; only an earlier attempt is preempted. */
export const ALL_STATES: readonly string[] = Object.keys(TONES).filter((state) => state !== 'preempted');
