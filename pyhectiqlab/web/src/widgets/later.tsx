// Parts of a page that few readers need: each is loaded when it is first shown.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { revival } from '../state/session';
import { useStore } from '../state/store';
import { Waiting } from './basics';

/** Return a component that loads itself when it is first shown. While the lab is away, it waits. `until`: what is shown meanwhile. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>, until: preact.JSX.Element | null = <Waiting />): (props: P) => preact.JSX.Element | null {
  let loaded: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [Part, setPart] = useState<ComponentType<P> | null>(() => loaded);
    const life = useStore(revival);
    useEffect(() => {
      if (!Part) load().then((part) => setPart(() => (loaded = part)), () => {});
    }, [life]);
    return Part ? <Part {...props} /> : until;
  };
}
