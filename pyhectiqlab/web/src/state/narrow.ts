// Whether the window is as narrow as that of a phone. media.css has the same width.

import { useEffect, useState } from 'preact/hooks';

const NARROW = '(max-width: 640px)';

export function useNarrow(): boolean {
  const [query] = useState(() => matchMedia(NARROW));
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const update = () => setNarrow(query.matches);
    query.addEventListener('change', update);
    return () => query.removeEventListener('change', update);
  }, [query]);
  return narrow;
}
