// The URL as state: reading it, changing it, hearing of changes. Everything that a link restores goes through here.

import { useEffect, useState } from 'preact/hooks';
import { at, below, ROOT } from '../base/root';
import { formatRoute, parseRoute, type Route } from '../base/route';

const WRITE_DELAY_MS = 200;

const listeners = new Set<() => void>();
// A slider changes the URL sixty times a second, which browsers refuse. The page follows at once, the address bar a little later.
let unwritten: string | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;

/** Return path and query of the page, as paths of the lab. */
export function currentUrl(): string {
  return unwritten ?? below(location.pathname) + location.search;
}

export function currentRoute(): Route {
  const url = currentUrl();
  const mark = url.indexOf('?');
  return mark < 0 ? parseRoute(url, '') : parseRoute(url.slice(0, mark), url.slice(mark));
}

/**
 * Go to a route. `replace`: for changes while somebody types or drags; Back then leads to the page before, not to the letter
 * before.
 */
export function navigate(to: Route | string, replace = false): void {
  const url = typeof to === 'string' ? to : formatRoute(to);
  if (url === currentUrl()) return;
  if (replace) {
    unwritten = url;
    timer ??= setTimeout(write, WRITE_DELAY_MS);
  } else {
    write();
    history.pushState(null, '', at(url));
  }
  for (const listener of [...listeners]) listener();
}

function write(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  if (unwritten !== null) history.replaceState(history.state, '', at(unwritten));
  unwritten = null;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    const back = () => {
      unwritten = null;
      update();
    };
    listeners.add(update);
    window.addEventListener('popstate', back);
    window.addEventListener('pagehide', write);
    update(); // the effect of a child may have navigated before this one ran
    return () => {
      listeners.delete(update);
      window.removeEventListener('popstate', back);
      window.removeEventListener('pagehide', write);
    };
  }, []);
  return route;
}

/** Make clicks on links of this site change the page without loading it anew. With a modifier, the browser handles them. */
export function interceptLinks(root: HTMLElement): void {
  root.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    const path = below(link.pathname);
    if (ROOT !== '' && path === link.pathname) return; // another site on this host
    if (path.startsWith('/api/')) return;
    event.preventDefault();
    navigate(path + link.search);
    window.scrollTo(0, 0);
  });
}
