// Texts of other people as they are shown: without characters that cannot be seen or that reverse their neighbours, so that
// nobody reads another name than there is. base/texts.py has the same characters.

/** Members of a character class, for a RegExp with the flag u. */
export const HIDDEN =
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164' +
  '\\ufeff\\uffa0\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}';

/** Characters that make emoji, and letters of many scripts, what they are. They are hidden where only ASCII stands before them. */
export const JOINERS = '\u200c\u200d';

const ASCII = /^[\x00-\x7f]*$/;
const MISLEADS = new RegExp(`[${HIDDEN}]|(^|[\\x00-\\x7f])[${JOINERS}]`, 'gu');

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const MARKS = /[\u061c\u200e\u200f]/g; // texts from right to left have them; they matter little if the text stands by itself

/** Return `text` with � in the place of such characters. */
export function visible(text: string): string {
  if (ASCII.test(text)) return text;
  const seen = RIGHT_TO_LEFT.test(text) ? text.replace(MARKS, '') : text;
  return seen.replace(MISLEADS, (_, before?: string) => `${before ?? ''}\ufffd`);
}
