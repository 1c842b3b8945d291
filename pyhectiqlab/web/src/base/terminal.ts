// What a terminal would have shown of a stream of texts: the rules of protocol/terminal.py, and colours, which that leaves out.
// The cases of tests/cases/terminal.json test both.

import { Pen } from './ink';
import { HIDDEN, JOINERS } from './visible';

/** A line as it stood when it ended, and the tag of the text that began it. */
export interface Line<T> {
  text: string;
  tag: T;
  spans?: readonly Span[]; // the text in pieces of one ink each; missing if all of it is plain
}

export interface Span {
  text: string;
  ink: string; // classes, see ink.ts
}

// Escape sequences (CSI, OSC, two characters), control characters other than tab and line feed, and characters that cannot be
// seen.
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?/.source;
const SPECIAL = new RegExp(`${ESCAPES}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f${HIDDEN}${JOINERS}]`, 'gu');
const ERASE = /^\x1b\[([012]?)K$/;
const SURROGATE = /[\ud800-\udfff]/;

export class Terminal<T> {
  private text = '';
  private length = 0; // the length of the text, in characters
  private at = 0; // the position of the cursor, in characters
  private tag: { of: T } | null = null;
  private inks: string[] | null = null; // the ink of each character; null: all of the line is plain
  private readonly pen = new Pen();

  /** Return the lines that `text` ended. */
  feed(text: string, tag: T): Line<T>[] {
    const parts = text.split('\n');
    const last = parts.pop()!;
    const ended = parts.map((part) => {
      this.write(part, tag);
      return this.end(tag);
    });
    if (last) this.write(last, tag);
    return ended;
  }

  /** Return the line that has not ended yet. */
  rest(): Line<T> | null {
    return this.tag && this.line(this.tag.of);
  }

  private end(tag: T): Line<T> {
    const line = this.line(this.tag ? this.tag.of : tag);
    this.set('');
    this.inks = null;
    this.at = 0;
    this.tag = null;
    return line;
  }

  private line(tag: T): Line<T> {
    if (!this.inks?.some(Boolean)) return { text: this.text, tag };
    const spans: Span[] = [];
    let at = 0;
    for (const character of SURROGATE.test(this.text) ? [...this.text] : this.text) {
      const ink = this.inks[at++] ?? '';
      const last = spans[spans.length - 1];
      if (last?.ink === ink) last.text += character;
      else spans.push({ text: character, ink });
    }
    return { text: this.text, tag, spans };
  }

  private write(part: string, tag: T): void {
    this.tag ??= { of: tag };
    let at = 0;
    for (const match of part.matchAll(SPECIAL)) {
      this.put(part.slice(at, match.index));
      this.obey(match[0]);
      at = match.index + match[0].length;
    }
    this.put(at ? part.slice(at) : part);
  }

  private put(plain: string): void {
    if (!plain) return;
    const end = this.at + lengthOf(plain);
    if (this.pen.ink || this.inks) {
      this.inks ??= [];
      while (this.inks.length < this.at) this.inks.push('');
      for (let i = this.at; i < end; i++) this.inks[i] = this.pen.ink;
    }
    if (this.at === this.length) {
      this.text += plain; // without a look at the line so far: it may come in very many pieces
      this.length = end;
    } else {
      const gap = ' '.repeat(Math.max(0, this.at - this.length));
      this.set(slice(this.text, 0, this.at) + gap + plain + slice(this.text, end));
    }
    this.at = end;
  }

  private set(text: string): void {
    this.text = text;
    this.length = lengthOf(text);
  }

  private obey(special: string): void {
    const erase = ERASE.exec(special);
    if (special === '\r') this.at = 0;
    else if (special === '\b') this.at = Math.max(0, this.at - 1);
    else if (JOINERS.includes(special)) {
      if (this.at && /[^\x00-\x7f]/.test(slice(this.text, this.at - 1, this.at))) this.put(special);
    } else if (erase) {
      const before = erase[1] === '' || erase[1] === '0' ? slice(this.text, 0, this.at) : '';
      const after = erase[1] === '1' ? slice(this.text, this.at + 1) : '';
      this.set(before || (after ? ' '.repeat(this.at + 1) + after : ''));
      if (this.inks) {
        if (after) this.inks.fill('', 0, this.at + 1);
        else this.inks.length = Math.min(this.inks.length, this.length);
      }
    } else this.pen.obey(special);
  }
}

/** Return the number of characters of a text. JavaScript counts two for those beyond 16 bits, such as emoji. */
function lengthOf(text: string): number {
  return SURROGATE.test(text) ? [...text].length : text.length;
}

/** Return the characters from `start` to before `end`. */
function slice(text: string, start: number, end?: number): string {
  return SURROGATE.test(text) ? [...text].slice(start, end).join('') : text.slice(start, end);
}
