// Something that a form asks of the lab: what went wrong is shown, what went well is followed by a look at the new state.

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
