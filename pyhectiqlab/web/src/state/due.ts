// Delays less important parts of a page until the important ones are there, or for some time at the most.

import { useEffect, useState } from 'preact/hooks';

/** Whether `after_ms` have passed since the page began. */
export function useDue(after_ms: number): boolean {
  const [due, setDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), after_ms);
    return () => clearTimeout(timer);
  }, []);
  return due;
}
