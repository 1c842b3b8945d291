// Where the lab's pages begin on their host: '' at its root, '/hectiqlab' below a path of it. The lab writes it into
// index.html as <base>; everything that makes an address of this lab passes through `at`.

export const ROOT = typeof document === 'undefined' ? '' : new URL(document.baseURI).pathname.replace(/\/+$/, '');

/** The address on this host of a path of the lab's own, such as /runs/7. */
export function at(path: string): string {
  return ROOT + path;
}

/** The lab's own path of an address on this host. */
export function below(address: string, root = ROOT): string {
  return root !== '' && (address === root || address.startsWith(`${root}/`)) ? address.slice(root.length) || '/' : address;
}
