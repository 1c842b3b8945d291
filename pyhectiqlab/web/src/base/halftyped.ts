// Whether somebody is in the middle of typing a term of a search. The lab says what a whole term means (protocol/search.py).
// tests/web/test_filterbar.py types terms of each field letter by letter, and the lab refuses nothing that the page sends.

import { comparisonOf, plain, splitTerms } from './terms';

const TEXTS = ['state', 'tag', 'author', 'group', 'host', 'name', 'note', 'id', 'text', 'archived'];
const TIMES = ['created', 'started', 'ended', 'activity'];
const NUMBERS = ['duration', 'points', 'attempt', 'rank'];
const PATHS = ['config.', 'metric.'];
const BEGINNINGS = [...TEXTS, ...TIMES, ...NUMBERS, ...PATHS];
const WORD_CHARS = 3; // letters of a word that may become a field; shorter words are searched for at once
const OPEN_NUMBER = /^([-+]?\d*\.?|[-+]?\d*\.?\d*e[-+]?|[-+]?(i|in|infi|infin|infini|infinit|n|na))$/i;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const WHOLE_TIME = /^(-[\d.]+[smhdw]|\d{9,}(\.\d*)?|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:\d\d)?)?)$/i;
const OPEN_TIME = /^[-+\d.:TZ]*$/i;

/**
 * Return whether the last term of a search may be wrong, or match nothing, only because somebody has not finished typing it: a
 * quote is open, the value is missing, a number or a date has begun, or a word is becoming the name of a field.
 *
 * @param values the values of fields that take few.
 */
export function isHalfTyped(text: string, values: Readonly<Record<string, readonly string[]>> = {}): boolean {
  if (isQuoteOpen(text) || /(^|\s)(AND|&&|OR)$/.test(text)) return true;
  const terms = splitTerms(text);
  return terms.some((term, i) => isOpen(term, i === terms.length - 1 && !/\s$/.test(text), values));
}

/** Return whether a term is unfinished. `last`: somebody types at its end. */
function isOpen(term: string, last: boolean, values: Readonly<Record<string, readonly string[]>>): boolean {
  const shown = plain(term);
  const op = comparisonOf(shown);
  if (!op) return last && (shown.endsWith('!') || mayBeField(shown));
  const field = shown.slice(0, op.index);
  const value = term.slice(op.index + op[0].length).split(',').at(-1)!;
  if (value === '') return true;
  const few = op[0].endsWith('=') ? values[field] : undefined;
  if (few) return !few.includes(value) && few.some((one) => one.startsWith(value));
  if (TIMES.includes(field)) return !WHOLE_TIME.test(value) && OPEN_TIME.test(value);
  if (field === 'metric') return value.length < 3 && 'nan'.startsWith(value.toLowerCase());
  const isNumber = NUMBERS.includes(field) || field.startsWith('metric.') || /[<>]/.test(op[0]);
  return isNumber && OPEN_NUMBER.test(value) && !NUMBER.test(value);
}

function mayBeField(word: string): boolean {
  if (PATHS.some((path) => word.startsWith(path))) return true;
  return word.length >= WORD_CHARS && BEGINNINGS.some((name) => name.startsWith(word));
}

function isQuoteOpen(text: string): boolean {
  let open = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && open) i++;
    else if (text[i] === '"') open = !open;
  }
  return open;
}
