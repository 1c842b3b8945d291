// Whether elements are in sight, or nearly: one observer serves all elements that scroll together.

const MARGIN = '300px 0px';
const observers = new Map<Element | null, IntersectionObserver>();
const listeners = new WeakMap<Element, (inSight: boolean) => void>();

/** `root`: the element that scrolls; null: the window. Return the function that stops watching. */
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
