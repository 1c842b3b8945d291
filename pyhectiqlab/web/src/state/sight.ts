// Whether elements are in sight, or nearly: one observer for all elements that scroll together.

const MARGIN = '300px 0px';
const observers = new Map<Element | null, IntersectionObserver>();
const listeners = new WeakMap<Element, (inSight: boolean) => void>();

/** `root`: what scrolls them; null: the window. Returns how to stop. */
export function watchSight(element: Element, root: Element | null, tell: (inSight: boolean) => void): () => void {
  let observer = observers.get(root);
  if (!observer) {
    for (const gone of observers.keys()) if (gone && !gone.isConnected) observers.delete(gone);
    observer = new IntersectionObserver((entries) => entries.forEach((e) => listeners.get(e.target)?.(e.isIntersecting)), { root, rootMargin: MARGIN });
    observers.set(root, observer);
  }
  listeners.set(element, tell);
  observer.observe(element);
  return () => {
    observer.unobserve(element);
    listeners.delete(element);
  };
}
