// The run that the reader points at in the table or on a chart. All charts of the page bring it to the front.

import { useEffect, useState } from 'preact/hooks';
import { Store } from './store';

export const highlighted = new Store<string | null>(null);

/** Show `children` once somebody has pointed at a run. They need not be loaded before that. */
export function WhenLit({ children }: { children: () => preact.JSX.Element }) {
  const [was, setWas] = useState(false);
  useEffect(() => highlighted.subscribe(() => setWas(true)), []);
  return was ? children() : null;
}
