// A request that a form sends to the lab. If it fails, the form shows the problem; if it succeeds, `after` loads the new state.

import { useState } from 'preact/hooks';
import { ApiError } from '../api/http';

export function useAttempt(after: () => void): { problem: string; attempt: (task: () => Promise<unknown>) => void } {
  const [problem, setProblem] = useState('');
  const attempt = (task: () => Promise<unknown>) => {
    setProblem('');
    task().then(after, (e: unknown) =>
      setProblem(e instanceof ApiError ? e.message : 'The lab does not answer. Try again in a moment.'),
    );
  };
  return { problem, attempt };
}
