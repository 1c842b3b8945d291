// Artifacts that are media: the page Media shows them, under names that may hold "/". See protocol/media.py.

const FILE_KINDS: ReadonlySet<string> = new Set(['figure', 'image', 'table', 'text']);
const ESCAPED = /%(25|2F|5C)/g; // no artifact's name holds / or \

export function isMedium(artifact: { kind: string }): boolean {
  return FILE_KINDS.has(artifact.kind);
}

/** The name that a script gave; what is escaped in the names of media only is told as it was. */
export function shownName(artifact: { kind: string; name: string }): string {
  return isMedium(artifact) ? artifact.name.replace(ESCAPED, (_, code: string) => String.fromCharCode(parseInt(code, 16))) : artifact.name;
}
