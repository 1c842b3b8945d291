// Delays the less important parts of a page until the important ones are there, but not for ever.

import { useEffect, useState } from 'preact/hooks';

/** Return whether `after_ms` have passed since the page began. */
export function useDue(after_ms: number): boolean {
  const [due, setDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), after_ms);
    return () => clearTimeout(timer);
  }, []);
  return due;
}
