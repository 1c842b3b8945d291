// Where the lab's pages begin on their host: '' at its root, '/hectiqlab' below a path of it. The lab writes it into index.html
// as <base>. Everything that makes an address of this lab calls `at`.

export const ROOT = typeof document === 'undefined' ? '' : new URL(document.baseURI).pathname.replace(/\/+$/, '');

/** Return the address on this host of one of the lab's paths, such as /runs/7. */
export function at(path: string): string {
  return ROOT + path;
}

/** Return the lab's path of an address on this host. */
export function below(address: string, root = ROOT): string {
  return root !== '' && (address === root || address.startsWith(`${root}/`)) ? address.slice(root.length) || '/' : address;
}
