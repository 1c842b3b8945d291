// Nested values: each level can be folded; long lists are cut until the reader asks for more.

import { useState } from 'preact/hooks';
import { stringifyExact } from '../base/exact';
import { formatInteger, plural } from '../base/format';

const OPEN_DEPTH = 2;
const INLINE_MAX = 12;
const ITEMS_MAX = 200;

export function Tree({ value, empty }: { value: unknown; empty: string }) {
  if (!isBranch(value) || Object.keys(value).length === 0) {
    return value === null || value === undefined || isBranch(value) ? <p class="dim">{empty}</p> : <div class="tree"><Leaf value={value} /></div>;
  }
  return (
    <div class="tree">
      <Branch value={value} depth={0} />
    </div>
  );
}

function Branch({ value, depth }: { value: object; depth: number }) {
  const [all, setAll] = useState(false);
  const entries = Object.entries(value);
  return (
    <ul>
      {(all ? entries : entries.slice(0, ITEMS_MAX)).map(([name, item]) => (
        <li key={name}>
          {isBranch(item) && Object.keys(item).length ? (
            <details open={depth < OPEN_DEPTH}>
              <summary>
                <span class="tree-name">{name}</span> <span class="dim">{plural(Object.keys(item).length, 'entry', 'entries')}</span>
              </summary>
              <Branch value={item} depth={depth + 1} />
            </details>
          ) : (
            <>
              <span class="tree-name">{name}</span>
              <Leaf value={item} />
            </>
          )}
        </li>
      ))}
      {!all && entries.length > ITEMS_MAX && (
        <li>
          <button class="link" onClick={() => setAll(true)}>
            Show all {formatInteger(entries.length)}
          </button>
        </li>
      )}
    </ul>
  );
}

function Leaf({ value }: { value: unknown }) {
  const kind = value === null ? 'null' : typeof value === 'bigint' ? 'number' : typeof value;
  const text = Array.isArray(value) ? `[${value.map((v) => stringifyExact(v)).join(', ')}]` : kind === 'object' ? stringifyExact(value) : String(value);
  return <span class={`tree-value ${kind}`}>{text}</span>;
}

/** Return whether a value is shown on lines of its own. A short list of plain values stays on one line. */
function isBranch(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return !(Array.isArray(value) && value.length <= INLINE_MAX && value.every((v) => typeof v !== 'object' || v === null));
}
