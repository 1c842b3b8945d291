// JSON that keeps whole numbers beyond ±2^53 exact: seeds, ids, time.time_ns(). They become bigint; everything else is as
// JSON.parse has it.

const MARK = `@int-${Math.random().toString(36).slice(2)}:`; // no other text begins with it
const LONG = /[0-9]{16}/; // a number with fewer digits is exact anyway
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/g;
const WHOLE = /^-?[0-9]{16,}$/;
const MARKED = new RegExp(`"${MARK}(-?[0-9]+)"`, 'g');

export function parseExact(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text);
  let hasLong = false;
  const marked = text.replace(TEXT_OR_NUMBER, (token) => {
    if (!WHOLE.test(token) || Number.isSafeInteger(Number(token))) return token;
    hasLong = true;
    return `"${MARK}${token}"`;
  });
  if (!hasLong) return JSON.parse(text);
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  );
}

/** Write what `parseExact` returned as JSON, as JSON.stringify does. */
export function stringifyExact(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? MARK + String(v) : v), indent) ?? '';
  return text.replace(MARKED, '$1');
}
