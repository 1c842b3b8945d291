// Artifacts that are media: the page Media shows them, under names that may contain "/". See protocol/media.py.

const FILE_KINDS: ReadonlySet<string> = new Set(['figure', 'image', 'table', 'text']);
const ESCAPED = /%(25|2F|5C)/g; // the name of an artifact contains neither / nor \

export function isMedium(artifact: { kind: string }): boolean {
  return FILE_KINDS.has(artifact.kind);
}

/** Return the name that a script gave. The client escapes some characters in the names of media only. */
export function shownName(artifact: { kind: string; name: string }): string {
  return isMedium(artifact) ? artifact.name.replace(ESCAPED, (_, code: string) => String.fromCharCode(parseInt(code, 16))) : artifact.name;
}
