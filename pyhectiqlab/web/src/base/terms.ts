// The terms of a search, as text: where one ends and the next begins. The lab says what they mean (protocol/search.py).

const OP = /==|!=|<=|>=|!~|=|<|>|~/;

/** Return the first comparison in a term, in which `plain` has hidden what is quoted. */
export function comparisonOf(shown: string): RegExpExecArray | null {
  return OP.exec(shown);
}

/** Return a text of the same length, with an x for each quoted character. */
export function plain(text: string): string {
  let out = '';
  let open = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    out += open || c === '"' ? 'x' : c;
    if (c === '\\' && open && i + 1 < text.length) {
      out += 'x';
      i++;
    } else if (c === '"') open = !open;
  }
  return out;
}

/**
 * Return the terms of a search as texts. A term may have spaces around a comparison or after a comma. Words between terms (AND)
 * are left out. What is half typed is a term, too.
 */
export function splitTerms(text: string): string[] {
  const shown = plain(text);
  const words = [...shown.matchAll(/\S+/g)].map((m) => ({ text: text.slice(m.index, m.index + m[0].length), shown: m[0] }));
  const terms: { text: string; shown: string }[] = [];
  for (const word of words) {
    const last = terms.at(-1);
    if (last && /\.smoothed\([^)]*$/.test(last.shown)) {
      last.text += word.text; // smoothed(gaussian, 100) is one word
      last.shown += word.shown;
      continue;
    }
    const op = last && OP.exec(last.shown);
    const open = last && op && !last.text.endsWith('"') && (last.shown.endsWith(',') || op.index + op[0].length === last.shown.length);
    const goesOn = last && (op ? word.shown.startsWith(',') : OP.exec(word.shown)?.index === 0);
    if (last && (open || goesOn)) {
      last.text += word.text;
      last.shown += word.shown;
    } else terms.push({ ...word });
  }
  return terms.filter(({ shown: its }, i) => its !== 'AND' && its !== '&&' && !(its === 'and' && i > 0 && i < terms.length - 1)).map((term) => term.text);
}

/** Return the number of characters before the caret as the lab counts them: each as one. */
export function caretOf(text: string, units: number): number {
  return [...text.slice(0, units)].length;
}

/** Replace a piece of the text, whose characters the lab counted. Return the text, and the caret in units of JavaScript. */
export function replacePiece(text: string, start: number, end: number, by: string): { text: string; caret: number } {
  const characters = [...text];
  const before = characters.slice(0, start).join('') + by;
  return { text: before + characters.slice(end).join(''), caret: before.length };
}
