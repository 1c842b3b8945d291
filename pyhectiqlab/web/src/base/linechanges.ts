// The lines in which two texts differ, as `diff` shows them.

/** A line of both texts (' '), of the text before ('-'), or of the text after ('+'); '…': lines of both are left out. */
export interface LineChange {
  mark: ' ' | '-' | '+' | '…';
  text: string;
}

const CONTEXT = 3; // lines shown around a change
const CELLS_MAX = 4e6; // size of the table of common subsequences; above it, all lines between common ends count as changed

export function lineChanges(before: string, after: string): LineChange[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const same = (texts: readonly string[]): LineChange[] => texts.map((text) => ({ mark: ' ', text }));
  const middle = changed(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return shortened([...same(a.slice(0, head)), ...middle, ...same(a.slice(a.length - tail))]);
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function changed(a: readonly string[], b: readonly string[]): LineChange[] {
  const width = b.length + 1;
  if ((a.length + 1) * width > CELLS_MAX) return [...a.map((text) => ({ mark: '-' as const, text })), ...b.map((text) => ({ mark: '+' as const, text }))];
  // common[i * width + j]: how many lines the rests from i and from j have in common, in order.
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      common[at] = a[i] === b[j] ? common[at + width + 1]! + 1 : Math.max(common[at + width]!, common[at + 1]!);
    }
  }
  const changes: LineChange[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      changes.push({ mark: ' ', text: a[i]! });
      i++;
      j++;
    } else if (j === b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) changes.push({ mark: '-', text: a[i++]! });
    else changes.push({ mark: '+', text: b[j++]! });
  }
  return changes;
}

/** Return the changes without the lines that are far from any change. */
function shortened(changes: readonly LineChange[]): LineChange[] {
  const near = new Uint8Array(changes.length);
  changes.forEach(({ mark }, i) => {
    if (mark !== ' ') near.fill(1, Math.max(0, i - CONTEXT), i + CONTEXT + 1);
  });
  const out: LineChange[] = [];
  changes.forEach((change, i) => {
    if (near[i]) out.push(change);
    else if (out.at(-1)?.mark !== '…') out.push({ mark: '…', text: '' });
  });
  return out.some(({ mark }) => mark !== '…') ? out : [];
}
